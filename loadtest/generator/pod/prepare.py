"""Runs in the generator's pod before the generator: writes the request body and the plan."""

import os
from pathlib import Path

from loadtest.generator.clients.protocols import request_body
from loadtest.generator.plan import PLAN_VARIABLE, LoadTestPlan

# The environment variables that hold the plan as JSON, and the path of the photograph's pixels.
PLAN_JSON_VARIABLE = "SHAPEBENCH_LOADTEST_PLAN_JSON"
PIXELS_VARIABLE = "SHAPEBENCH_LOADTEST_PIXELS"


def main() -> None:
    """Write the body that the plan names, then the plan, to the path in the generator's environment."""
    plan = LoadTestPlan.from_json(os.environ[PLAN_JSON_VARIABLE])
    pixels = Path(os.environ[PIXELS_VARIABLE]).read_bytes()
    Path(plan.body_path).write_bytes(request_body(plan.protocol, pixels, plan.model_name, plan.expected_shape[0]))
    plan.write(Path(os.environ[PLAN_VARIABLE]))


if __name__ == "__main__":
    main()
