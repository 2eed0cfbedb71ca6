"""Runs in the generator's pod before the generator: lays out body and plan for it."""

import os
from pathlib import Path

from loadtest.generator.clients.protocols import request_body
from loadtest.generator.plan import PLAN_VARIABLE, Plan

# The environment variables that hold the plan itself, and the path of the photograph's pixels.
ORDER_VARIABLE = "SHAPEBENCH_LOADTEST_ORDER"
PIXELS_VARIABLE = "SHAPEBENCH_LOADTEST_PIXELS"


def main() -> None:
    """Write what the plan names, then the plan, where the generator's environment says that it is."""
    plan = Plan.from_json(os.environ[ORDER_VARIABLE])
    pixels = Path(os.environ[PIXELS_VARIABLE]).read_bytes()
    Path(plan.body_path).write_bytes(request_body(plan.protocol, pixels, plan.model_name, plan.expected_shape[0]))
    plan.write(Path(os.environ[PLAN_VARIABLE]))


if __name__ == "__main__":
    main()
