"""Previews one stack with the Pulumi command line, against its state in the user's backend if it is there."""

import json
import os
import subprocess
from typing import Any

from tools.console import SetupError, say
from tools.pins import ROOT
from tools.pull_request.preview import Preview, read_events, read_latest
from tools.stack import activated_environment, ensure_stack, uses_embedded_backend

# The user's choice of a backend; without them tools/env.sh takes the embedded one.
_BACKEND_VARIABLES = ("PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN")
# Of the history in the comment.
_COMMITS = 5


def preview(stack: str) -> Preview:
    """Preview a stack under the policy pack. Its problems are in the result; raises SetupError if it cannot start."""
    environment = _environment(stack)
    say(f"previewing {stack}")
    done = subprocess.run(
        ["pulumi", "preview", "--json", "--non-interactive", "--stack", stack, "--policy-pack", "policy"],  # noqa: S607 (tools/env.sh sets PATH)
        cwd=ROOT,
        # As events, one per line: only they hold the stack's outputs and policy violations.
        env=environment | {"PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    found = read_events(stack, done.stdout.splitlines(), done.returncode)
    store = environment.get("RESULTS_STORE")
    return found.model_copy(update=_latest(stack, store, environment)) if store else found


def _latest(stack: str, store: str, environment: dict[str, str]) -> dict[str, Any]:
    """What the stack was last measured at. A store that cannot be read is no reason for a preview to fail."""
    read = subprocess.run(
        ["shapebench", "latest", "--results", store, "--stack", stack, "--history", str(_COMMITS), "--json"],  # noqa: S607 (tools/env.sh sets PATH)
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if read.returncode != 0:
        return {"latest_problem": read.stderr.strip()}
    return read_latest(stack, read.stdout)


def _environment(stack: str) -> dict[str, str]:
    environment = activated_environment()
    if not uses_embedded_backend(environment) and stack not in _stacks_in(environment):
        # Creating it there would need more than the read-only identity of a pull request.
        say(f"{stack} is not in your backend, so all of its resources are new")
        for name in _BACKEND_VARIABLES:
            os.environ.pop(name, None)
        environment = activated_environment()
    if uses_embedded_backend(environment):
        ensure_stack(ROOT, stack)
    return environment


def _stacks_in(environment: dict[str, str]) -> set[str]:
    listed = subprocess.run(
        ["pulumi", "stack", "ls", "--json", "--non-interactive"],  # noqa: S607 (tools/env.sh sets PATH)
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        raise SetupError(
            "your backend does not list its stacks, so there is nothing to compare with; check PULUMI_BACKEND_URL, and"
            f" that this identity may read it:\n{listed.stderr.strip()}"
        )
    return {load["name"].rpartition("/")[2] for load in json.loads(listed.stdout)}
