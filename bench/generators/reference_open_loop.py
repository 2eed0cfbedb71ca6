"""A minimal open loop to check our generator against. It shares no code with loadtest/.

`python -m bench.generators.reference_open_loop PORT PATH BODY_FILE RATE_RPS SECONDS THREADS` prints when each request
was due, sent and answered, in seconds of the epoch, and the CPU time of the whole run in seconds.
"""

import json
import queue
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path

Times = tuple[float, float, float]


def send_due(port: int, path: str, body: bytes, due: "queue.SimpleQueue[float | None]", done: list[Times]) -> None:
    """Send due requests over one connection until None is due."""
    connection = HTTPConnection("127.0.0.1", port)
    while (intended_start_s := due.get()) is not None:
        sent_s = time.time()
        connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        answered_s = time.time()
        if response.status != 200 or b"predictions" not in content:
            raise RuntimeError(f"status {response.status}, {len(content)} bytes")
        done.append((intended_start_s, sent_s, answered_s))


def main(port: int, path: str, body: bytes, rate_rps: float, seconds: float, threads: int) -> None:
    """Send `rate_rps` evenly spaced requests per second, without waiting for answers."""
    due: queue.SimpleQueue[float | None] = queue.SimpleQueue()
    done: list[Times] = []
    senders = [threading.Thread(target=send_due, args=(port, path, body, due, done)) for _ in range(threads)]
    for sender in senders:
        sender.start()
    began_cpu_s, began_s = time.process_time(), time.time()
    for number in range(round(rate_rps * seconds)):
        intended_start_s = began_s + number / rate_rps
        time.sleep(max(0.0, intended_start_s - time.time()))
        due.put(intended_start_s)
    for _ in senders:
        due.put(None)
    for sender in senders:
        sender.join()
    print(json.dumps({"times": sorted(done), "cpu_s": time.process_time() - began_cpu_s}))


if __name__ == "__main__":
    main(
        int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]).read_bytes(), float(sys.argv[4]), float(sys.argv[5]),
        int(sys.argv[6]),
    )  # fmt: skip
