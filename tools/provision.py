"""`make setup` sets up the Python environments, Pulumi and the stack `local`, each if it is missing or outdated."""

import argparse
import sys
import time

from tools.actionlint import ensure_actionlint
from tools.console import run_setup, say
from tools.environment import ensure_environment
from tools.pins import ROOT, load_pins
from tools.pulumi_cli import ensure_pulumi
from tools.stack import activated_environment, ensure_stack, uses_embedded_backend
from tools.stamps import exclusively


def main() -> None:
    parser = argparse.ArgumentParser(prog="tools/setup", description=__doc__)
    parser.add_argument(
        "--tier",
        choices=("run", "dev", "policy"),
        default="run",
        help="what to install: dev adds what checks and tests need, policy the policy pack's own environment",
    )
    tier = parser.parse_args().tier
    started = time.monotonic()
    with exclusively(ROOT / ".tools/lock"):
        pins = load_pins()
        # First, because it can fail, and pip takes minutes.
        changed = ensure_pulumi(ROOT, pins)
        changed |= ensure_environment(ROOT, pins, "dev" if tier == "dev" else "run")
        if tier == "dev":
            changed |= ensure_actionlint(ROOT)
        if tier == "policy":
            changed |= ensure_environment(ROOT, pins, "policy")
        # In a backend of the user's own, no stack is created before the user asks for one.
        if uses_embedded_backend(activated_environment()):
            changed |= ensure_stack(ROOT, "local")
    if changed:
        say(f"ready after {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    sys.exit(run_setup(main))
