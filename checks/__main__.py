"""`python -m checks`: documents, stack files, requirement files, scripts, workflows and committed slips."""

import sys

from typer.main import get_command

from checks import committed, docs, requirements, scripts, stacks, workflows
from shapebench.cli import app
from tools.pins import ROOT


def main() -> int:
    """Print every problem on a line; returns the exit status."""
    commands = {
        name: frozenset(option for parameter in command.params for option in parameter.opts)
        for name, command in getattr(get_command(app), "commands", {}).items()
    }
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
