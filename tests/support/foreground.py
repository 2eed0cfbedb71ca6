"""Runs a cluster in the foreground until SIGINT or SIGTERM, for the commands that start one."""

import signal
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from tools.console import SetupError, say


class Cluster(AbstractContextManager["Cluster"], Protocol):
    """What runs while its context is open."""

    @property
    def address(self) -> str: ...

    @property
    def kubeconfig(self) -> Path: ...


def run_in_foreground(cluster: Cluster) -> int:
    """Run the cluster until this process gets SIGINT or SIGTERM; returns the exit status."""
    # So that SIGTERM, too, stops the cluster first.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    try:
        with cluster:
            took_s = time.monotonic() - began
            say(f"ready after {took_s:.1f} s at https://{cluster.address}")
            # A line of its own, so that it can be copied.
            print(f"export KUBECONFIG={cluster.kubeconfig}", flush=True)
            signal.pause()
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0
