"""Names of the messages between master and workers, sent as Locust's own messages. Standard library only.

Each message is a mapping; a worker's has its number as `worker`. A generator of one process sends them to itself.
Locust has messages of its own, such as `heartbeat`, whose names are not free.
"""

# From the master: `phase` and `at_us`, in microseconds of the epoch; `begin_s`, in seconds of the epoch; `cut_off`.
PHASE, BEGIN, FINISH = "phase", "begin", "finish"

# From a worker. HEARTBEAT is sent once a second, from when it has started. DONE is sent once, when all rows are
# written. READY and SCHEDULE_DONE belong to a schedule, WARM to a closed loop. STOP says why the test cannot go on
# (server_watch.Stop). HEARTBEAT and READY have the time `now_us` at which they are sent.
HEARTBEAT, READY, WARM = "worker_heartbeat", "ready", "warm"
SCHEDULE_DONE, STOP, DONE = "schedule_done", "stop", "done"
