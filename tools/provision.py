"""`make setup` sets up the Python environments, Pulumi and the stack `local`, each if it is missing or outdated."""

import argparse
import sys
import time

from tools.actionlint import ensure_actionlint
from tools.console import run_setup, say
from tools.environment import Tier, ensure_environment, requirements_are_installed
from tools.needs import needs
from tools.pins import ROOT, load_pins
from tools.pulumi_cli import ensure_pulumi, pulumi_is_missing
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
        wanted: list[Tier] = ["dev" if tier == "dev" else "run"]
        if tier == "policy":
            wanted.append("policy")
        missing = [each for each in wanted if not requirements_are_installed(ROOT, each)]
        without_pulumi = pulumi_is_missing(ROOT, pins)
        if said := needs(ROOT, missing, pulumi=without_pulumi):
            say(said)
        if without_pulumi:
            say("if Pulumi's release cannot be reached, it is built with Go: at least 5 min and 3 GB more")
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
