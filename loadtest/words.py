"""What master and workers of a test say to each other, by Locust's own messages. Standard library only.

Each message is a mapping; a worker's has its number as `worker`. A generator of one process says all of it to itself.
"""

# The master's: `phase` and `at_us`, in microseconds of the epoch; `began_s` on the performance counter; `cut_off`.
PHASE, GO, WIND_UP = "phase", "go", "wind_up"

# A worker's. NEWS comes once a second (loadtest.pulse), DONE once, when all its rows are written; READY and PLAYED are
# of a schedule, WARM of a closed loop; STOP is why the test cannot go on (loadtest.watch.Stop).
NEWS, READY, WARM, PLAYED, STOP, DONE = "news", "ready", "warm", "played", "stop", "done"
