"""What master and workers of a test say to each other, by Locust's own messages. Standard library only.

Each message is a mapping; a worker's has its number as `worker`. A generator of one process says all of it to itself.
"""

# The master's: `phase` and `at_us`, in microseconds of the epoch; `began_s` on the performance counter; `cut_off`.
PHASE, GO, WIND_UP = "phase", "go", "wind_up"

# A worker's. NEWS is the heartbeat, sent once a second; DONE is sent once, when all its rows are written; READY and
# PLAYED belong to a schedule, WARM to a closed loop; STOP says why the test cannot go on (server_watch.Stop).
NEWS, READY, WARM, PLAYED, STOP, DONE = "news", "ready", "warm", "played", "stop", "done"
