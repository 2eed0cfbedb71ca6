"""Which stacks a pull request changes: those whose file it changes, or all if it changes what every stack deploys."""

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from stacks.files import load_settings, stack_names
from tools.console import SetupError

# Nothing that is deployed or measured is made from these; whatever is not listed changes every stack.
NOT_DEPLOYED = (
    ".github",
    "analysis/planning",
    "analysis/report",
    "analysis/verdict",
    "bench",
    "checks",
    "docs",
    "policy",
    "shapebench",
    "sweep",
    "tests",
    "tools",
    ".gitignore",
    ".importlinter",
    ".yamllint.yaml",
    "LICENSE",
    "Makefile",
    "README.md",
)
# Which versions are installed, in spite of their folder.
_VERSIONS = ("tools/requirements", "tools/versions.toml")


def changed_paths(base: str, root: Path) -> list[str]:
    """The files that differ between a commit and HEAD, of a renamed one both names. Raises SetupError."""
    listed = subprocess.run(
        ["git", "diff", "--name-only", "--no-renames", "-z", base, "HEAD"],  # noqa: S607 (of the machine)
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        raise SetupError(
            f"git cannot compare HEAD with {base}, so the changed stacks are not known: {listed.stderr.strip()}. The"
            " checkout must hold both commits; actions/checkout does so with fetch-depth: 2, if the base is HEAD^1"
        )
    return [path for path in listed.stdout.split("\0") if path]


def changed_stacks(paths: Iterable[str], stacks: Sequence[str]) -> list[str]:
    """Of the stacks, in their order, those that one of the changed files belongs to."""
    files = {f"stacks/Pulumi.{stack}.yaml": stack for stack in stacks}
    found = set()
    for path in paths:
        if path in files:
            found.add(files[path])
        elif (not _is_stack_file(path) and not _is_in(path, NOT_DEPLOYED)) or _is_in(path, _VERSIONS):
            return list(stacks)
    return [stack for stack in stacks if stack in found]


def measurable_stacks() -> list[str]:
    """The stacks that a workflow can measure: those that make a cluster of their own."""
    return [stack for stack in stack_names() if load_settings(stack).platform == "gke"]


def _is_stack_file(path: str) -> bool:
    """Also that of a stack that is gone."""
    return PurePosixPath(path).match("stacks/Pulumi.*.yaml")


def _is_in(path: str, folders: Iterable[str]) -> bool:
    return any(PurePosixPath(path).is_relative_to(folder) for folder in folders)
