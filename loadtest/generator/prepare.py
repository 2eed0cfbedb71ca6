"""Runs before the generator: writes the plan and the requests, waits for the model, and keeps the right answers.

A server that is ready is not always reachable: GKE takes some seconds to program a Service on each node, and requests
fail until then. Each request is sent once, so a model that refuses one is found before anything is measured, and the
answer is the one that later answers are compared with.
"""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from loadtest.generator.clients.client import Answer
from loadtest.generator.clients.protocols import clients, request_bodies
from loadtest.generator.monitoring.counters import append_counters
from loadtest.generator.payload import Payload
from loadtest.generator.plan import PLAN_VARIABLE, LoadTestPlan
from loadtest.generator.request_bodies import RequestBody, write_bodies

# The environment variables that hold the plan as JSON, and the path of the payload. The files of a folder, one after
# the other, are one payload: a ConfigMap holds little.
PLAN_JSON_VARIABLE = "SHAPEBENCH_LOADTEST_PLAN_JSON"
PAYLOAD_VARIABLE = "SHAPEBENCH_LOADTEST_PAYLOAD"

_RETRY_S = 0.5
_PROGRESS_S = 1.0
_DETAIL_CHARACTERS = 500

# The errors of a request that the server will never take.
_REFUSED = ("http_400", "http_413", "http_422", "grpc_invalid_argument")


class NoRightAnswerError(Exception):
    """Its text says which request had none, and what came instead."""


def with_right_answers(plan: LoadTestPlan, bodies: Sequence[RequestBody], within_s: float) -> list[RequestBody]:
    """The same requests with the right answers, which are the first ones, where answers are compared with them.

    Raises NoRightAnswerError where a request is refused, or where no right answer came within `within_s` seconds.
    """
    answered, shown_s = [], time.monotonic()
    for number, body in enumerate(bodies, start=1):
        which = f" {number} of {len(bodies)}" if len(bodies) > 1 else ""
        answer = _right_answer(plan, body, within_s, which)
        answered.append(replace(body, answer=answer if plan.check == "values" else b""))
        if time.monotonic() > shown_s + _PROGRESS_S:
            print(f"{number} of {len(bodies)} requests have been answered once", flush=True)
            shown_s = time.monotonic()
    return answered


def _right_answer(plan: LoadTestPlan, body: RequestBody, within_s: float, which: str) -> bytes:
    """With the generator's own client."""
    client = clients(plan, [body])()
    deadline = time.monotonic() + within_s
    try:
        while (answer := client.predict()).error:
            if answer.error in _REFUSED:
                raise NoRightAnswerError(f"refused the request{which}: {_said(answer)}")
            if time.monotonic() > deadline:
                to = f" to request{which}" if which else ""
                raise NoRightAnswerError(
                    f"gave no correct answer{to} within {within_s:g} s; the last error was {_said(answer)}"
                )
            time.sleep(_RETRY_S)
    finally:
        client.close()
    return answer.content


def _said(answer: Answer) -> str:
    said = " ".join((answer.detail or answer.content.decode(errors="replace")).split())
    return f"{answer.error} ({said[:_DETAIL_CHARACTERS]})" if said else str(answer.error)


def main(within_s: str) -> None:
    """Write the requests, and the plan to the path in the environment; each answer may take `within_s` seconds."""
    plan = LoadTestPlan.from_json(os.environ[PLAN_JSON_VARIABLE])
    path = Path(os.environ[PAYLOAD_VARIABLE])
    parts = sorted(path.glob("[!.]*")) if path.is_dir() else [path]
    payload = Payload.from_bytes(b"".join(part.read_bytes() for part in parts))
    try:
        bodies = request_bodies(plan.protocol, payload, plan.model_name)
    except ValueError as error:
        sys.exit(f"{plan.base_url} {error}")
    plan.write(Path(os.environ[PLAN_VARIABLE]))
    try:
        write_bodies(Path(plan.bodies_path), with_right_answers(plan, bodies, float(within_s)))
        # From here on the servers count only requests of the test.
        append_counters(plan)
    except NoRightAnswerError as error:
        sys.exit(f"{plan.base_url} {error}")


if __name__ == "__main__":
    main(sys.argv[1])
