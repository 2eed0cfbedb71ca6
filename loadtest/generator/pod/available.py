"""Runs in the generator's pod before the generator: waits until the model answers.

A server that is ready is not always reachable yet: a Service is programmed on each node, which takes GKE some seconds
more, and every request until then would be a failed one.
"""

import sys
import time
from pathlib import Path

from loadtest.generator.clients.client import Client
from loadtest.generator.clients.protocols import clients
from loadtest.generator.monitoring.counters import note
from loadtest.generator.plan import Plan

_AGAIN_AFTER_S = 0.5


def wait(client: Client, within_s: float) -> None:
    """Return once a prediction was answered rightly; raises TimeoutError, which says what happened instead."""
    deadline = time.monotonic() + within_s
    while trouble := client.predict().error:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no right answer within {within_s:g} s, the last time: {trouble}")
        time.sleep(_AGAIN_AFTER_S)


def main(within_s: str) -> None:
    """Wait for the server of the plan that the environment names, for so many seconds at most."""
    plan = Plan.from_environment()
    # The server is asked as the generator will ask it.
    client = clients(plan, Path(plan.body_path).read_bytes())()
    try:
        wait(client, float(within_s))
        # After this, the servers count nothing but the test itself.
        note(plan)
    except TimeoutError as error:
        sys.exit(f"{plan.base_url} gave {error}")
    finally:
        client.close()


if __name__ == "__main__":
    main(sys.argv[1])
