"""The pods of a generator: which this is, how the others find the master, and their clocks. Standard library only."""

import os
import sys
import time
from pathlib import Path

from loadtest.generator.plan import LoadTestPlan

# Kubernetes sets it in each pod of a Job with completionMode Indexed.
IS_FIRST_POD = os.environ.get("JOB_COMPLETION_INDEX", "0") == "0"

_POLL_S = 0.1
# How much the clocks of two pods may differ, in seconds; a message between them takes a part of it.
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


def clocks_apart(worker: str, sent_us: int, received_us: int) -> str | None:
    """By how much the clock of a worker differs from the master's, by one message; None where it does not matter."""
    apart_s = abs(received_us - sent_us) / 1e6
    return f"that of {worker} by {apart_s:.1f} s" if apart_s > _APART_S else None
