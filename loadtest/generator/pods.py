"""The pods of a generator: which this is, how the others find the master, and their clocks. Standard library only."""

import os
import sys
import time
from pathlib import Path

from loadtest.generator.plan import LoadTestPlan, worker_name

# Kubernetes sets it in each pod of a Job with completionMode Indexed.
IS_FIRST_POD = os.environ.get("JOB_COMPLETION_INDEX", "0") == "0"

_POLL_S = 0.1
# How much the clocks of two pods may differ, in seconds; the quickest message between them takes a part of it.
_APART_S = 0.25


def wait_for_master(plan: LoadTestPlan) -> tuple[str, int]:
    """Address and port of the master, once all pods run; exits when the test is interrupted before."""
    path = Path(plan.master_path)
    while not path.exists():
        if Path(plan.interrupt_path).exists():
            sys.exit("the test was interrupted before all pods of the load generator ran")
        time.sleep(_POLL_S)
    address, port = path.read_text().split()
    # As a part of a URL, which is what Locust makes of it.
    return f"[{address}]" if ":" in address else address, int(port)


class WorkerClocks:
    """By how much the clock of each worker differs from the master's, of which its messages tell.

    A message says when it was sent. It is never early, and late by as much as a busy machine delays it, so that one
    counts which took least.
    """

    def __init__(self) -> None:
        self._least_us: dict[int, int] = {}

    def add(self, worker: int, sent_us: int, received_us: int) -> None:
        took_us = received_us - sent_us
        self._least_us[worker] = min(took_us, self._least_us.get(worker, took_us))

    def apart(self, worker: int) -> str | None:
        """By how much that worker's clock differs; None where it does not matter."""
        apart_s = abs(self._least_us[worker]) / 1e6
        return f"that of {worker_name(worker)} by {apart_s:.1f} s" if apart_s > _APART_S else None
