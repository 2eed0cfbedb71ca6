"""Checks that no file holds what must not be committed: merge-conflict markers, or the salt of a passphrase."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from checks.tree import own_files

# Without the line of equals signs between the sides: Markdown underlines headings with it.
_CONFLICT = re.compile(rb"^(?:<{7}|\|{7}|>{7})(?: .*)?$", re.MULTILINE)


def problems(root: Path) -> list[str]:
    """The files that hold conflict markers, and the stack files that are committed with a salt."""
    return [*_conflicts(root), *_salts(root)]


def _conflicts(root: Path) -> Iterator[str]:
    for path in own_files(root):
        content = path.read_bytes()
        if marker := _CONFLICT.search(content):
            line = content.count(b"\n", 0, marker.start()) + 1
            yield (
                f"{path.relative_to(root)}:{line}: a merge-conflict marker, so the file holds both sides of a merge;"
                " keep what is right and delete the markers"
            )


def _salts(root: Path) -> list[str]:
    """Salts in what git has staged; in the working tree Pulumi writes one at each update."""
    return [
        f"{path}: `encryptionsalt` is committed, so Pulumi asks whoever has another backend or passphrase for the one"
        " that fits it; delete the line and commit the file again"
        for path in sorted(_staged_with(root, "^encryptionsalt:") - _staged_with(root, "secure:"))
    ]


def _staged_with(root: Path, pattern: str) -> set[str]:
    """The stack files that hold a pattern in git's index; none outside a git checkout."""
    command = ["git", "grep", "--cached", "--name-only", "-e", pattern, "--", "stacks/Pulumi.*.yaml"]
    return set(subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout.splitlines())
