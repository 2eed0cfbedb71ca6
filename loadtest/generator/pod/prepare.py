"""Runs in the generator's pod before the generator: writes the request body and the plan, and waits for the model.

A server that is ready is not always reachable: GKE takes some seconds to program a Service on each node, and requests
fail until then.
"""

import os
import sys
import time
from pathlib import Path

from loadtest.generator.clients.client import Client
from loadtest.generator.clients.protocols import clients, request_body
from loadtest.generator.monitoring.counters import append_counters
from loadtest.generator.payload import Payload
from loadtest.generator.plan import PLAN_VARIABLE, LoadTestPlan

# The environment variables that hold the plan as JSON, and the path of the payload.
PLAN_JSON_VARIABLE = "SHAPEBENCH_LOADTEST_PLAN_JSON"
PAYLOAD_VARIABLE = "SHAPEBENCH_LOADTEST_PAYLOAD"

_RETRY_S = 0.5


def wait(client: Client, within_s: float) -> None:
    """Return when a prediction was answered correctly; raises TimeoutError with the last error."""
    deadline = time.monotonic() + within_s
    while error := client.predict().error:
        if time.monotonic() > deadline:
            raise TimeoutError(f"no correct answer within {within_s:g} s; the last error was {error}")
        time.sleep(_RETRY_S)


def main(within_s: str) -> None:
    """Write the body that the plan names, and the plan to the path in the environment; wait for `within_s` seconds."""
    plan = LoadTestPlan.from_json(os.environ[PLAN_JSON_VARIABLE])
    payload = Payload.from_bytes(Path(os.environ[PAYLOAD_VARIABLE]).read_bytes())
    body = request_body(plan.protocol, payload, plan.model_name)
    Path(plan.body_path).write_bytes(body)
    plan.write(Path(os.environ[PLAN_VARIABLE]))
    # With the generator's own client and request.
    client = clients(plan, body)()
    try:
        wait(client, float(within_s))
        # From here on the servers count only requests of the test.
        append_counters(plan)
    except TimeoutError as error:
        sys.exit(
            f"{plan.base_url} gave {error}; check the server's log, the Service and the namespace's NetworkPolicies"
        )
    finally:
        client.close()


if __name__ == "__main__":
    main(sys.argv[1])
