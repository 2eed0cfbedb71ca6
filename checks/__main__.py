"""`python -m checks`: documents, stack files, requirement files, scripts, workflows and committed slips."""

import sys

from typer.main import get_command

from checks import committed, docs, requirements, scripts, stacks, workflows
from shapebench.cli import app
from tools.pins import ROOT


def main() -> int:
    """Print what is wrong, one line each; returns the exit status."""
    commands = getattr(get_command(app), "commands", {})
    found = [
        *docs.problems(ROOT, commands),
        *stacks.problems(),
        *requirements.problems(ROOT),
        *scripts.problems(ROOT),
        *workflows.problems(ROOT),
        *committed.problems(ROOT),
    ]
    for each in found:
        print(each)
    print(f"{len(found)} problems" if found else "all checks passed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
