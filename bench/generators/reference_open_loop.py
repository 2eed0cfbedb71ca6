"""An open loop written as plainly as possible, to check the real generator by: it shares no code with loadtest/.

`python -m bench.generators.reference_open_loop PORT PATH BODY_FILE RATE_RPS SECONDS THREADS` prints when each request
was due, sent and answered, in seconds of the epoch, and the CPU seconds that all of it took.
"""

import json
import queue
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

Times = tuple[float, float, float]


def ask(port: int, path: str, body: bytes, due: "queue.SimpleQueue[float | None]", done: list[Times]) -> None:
    """One thread: a connection, and whatever is due next."""
    connection = HTTPConnection("127.0.0.1", port)
    while (due_s := due.get()) is not None:
        sent_s = time.time()
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        answered_s = time.time()
        if response.status != 200 or b"predictions" not in content:
            raise RuntimeError(f"status {response.status}, {len(content)} bytes")
        done.append((due_s, sent_s, answered_s))


def main(port: int, path: str, body: bytes, rate_rps: float, seconds: float, threads: int) -> None:
    """Send `rate_rps` requests a second, evenly spaced, whatever becomes of them."""
    due: queue.SimpleQueue[float | None] = queue.SimpleQueue()
    done: list[Times] = []
    askers = [threading.Thread(target=ask, args=(port, path, body, due, done)) for _ in range(threads)]
    for asker in askers:
        asker.start()
    began_cpu_s, began_s = time.process_time(), time.time()
    for number in range(round(rate_rps * seconds)):
        due_s = began_s + number / rate_rps
        time.sleep(max(0.0, due_s - time.time()))
        due.put(due_s)
    for _ in askers:
        due.put(None)
    for asker in askers:
        asker.join()
    print(json.dumps({"times": sorted(done), "cpu_s": time.process_time() - began_cpu_s}))


if __name__ == "__main__":
    main(
        int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_bytes(), float(sys.argv[4]), float(sys.argv[5]),
        int(sys.argv[6]),
    )  # fmt: skip
