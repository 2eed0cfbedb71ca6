"""Runs in the generator's pod before the generator: waits until the model answers. Standard library only.

A server that is ready is not always reachable yet: a Service is programmed on each node, which takes GKE some seconds
more, and every request until then would be a failed one.
"""

import sys
import time
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from loadtest.plan import Plan
from loadtest.rest_check import RestCheck

_AGAIN_AFTER_S = 0.5

# The server is asked as the generator will ask it: by no proxy.
_OPENER = build_opener(ProxyHandler({}))


def wait(plan: Plan, within_s: float) -> None:
    """Return once a prediction was answered rightly; raises TimeoutError, which says what happened instead."""
    request = Request(  # noqa: S310 - the plan's own server
        f"{plan.base_url}/v1/models/{plan.model_name}:predict",
        data=Path(plan.body_path).read_bytes(),
        headers={"Content-Type": "application/json"},
    )
    check = RestCheck(plan.expected_shape)
    deadline = time.monotonic() + within_s
    while trouble := _trouble(request, check, plan.limits.response_timeout_s):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{plan.base_url} gave no right answer within {within_s:g} s, the last time: {trouble}")
        time.sleep(_AGAIN_AFTER_S)


def _trouble(request: Request, check: RestCheck, timeout_s: float) -> str | None:
    """What is wrong with one answer, or that there was none; None when it is right."""
    try:
        with _OPENER.open(request, timeout=timeout_s) as response:
            return check.error_of(response.status, response.read())
    except HTTPError as error:
        return f"http_{error.code}"
    except (OSError, HTTPException) as error:
        return str(error) or type(error).__name__


def main(within_s: str) -> None:
    """Wait for the server of the plan that the environment names, for so many seconds at most."""
    try:
        wait(Plan.from_environment(), float(within_s))
    except TimeoutError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1])
