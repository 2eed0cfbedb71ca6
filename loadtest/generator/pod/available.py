"""Runs in the generator's pod before the generator: waits until the model answers.

A server that is ready is not always reachable: GKE takes some seconds to program a Service on each node, and requests
fail until then.
"""

import sys
import time
from pathlib import Path

from loadtest.generator.clients.client import Client
from loadtest.generator.clients.protocols import clients
from loadtest.generator.monitoring.counters import append_counters
from loadtest.generator.plan import LoadTestPlan

_RETRY_S = 0.5


def wait(client: Client, within_s: float) -> None:
    """Return when a prediction was answered correctly; raises TimeoutError with the last error."""
    deadline = time.monotonic() + within_s
    while error := client.predict().error:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no correct answer within {within_s:g} s; the last error was {error}")
        time.sleep(_RETRY_S)


def main(within_s: str) -> None:
    """Wait for the server of the plan that the environment names, for `within_s` seconds at most."""
    plan = LoadTestPlan.from_environment()
    # With the generator's own client and request.
    client = clients(plan, Path(plan.body_path).read_bytes())()
    try:
        wait(client, float(within_s))
        # From here on the servers count only requests of the test.
        append_counters(plan)
    except TimeoutError as error:
        sys.exit(f"{plan.base_url} gave {error}")
    finally:
        client.close()


if __name__ == "__main__":
    main(sys.argv[1])
