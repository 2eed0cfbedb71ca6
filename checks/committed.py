"""Checks that no file holds what must not be committed: conflict markers, a passphrase's salt, lost records."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from checks.tree import own_files

# Without the line of equals signs between the sides: Markdown underlines headings with it.
_CONFLICT = re.compile(rb"^(?:<{7}|\|{7}|>{7})(?: .*)?$", re.MULTILINE)
# As comments name a decision record; what documents link to is checked with their links.
_RECORD = re.compile(rb"docs/adr/(\d{4})\b(?!-)")


def problems(root: Path) -> list[str]:
    """The files with conflict markers or the number of no decision record, and the stack files with a salt."""
    return [*_conflicts(root), *_lost_records(root), *_salts(root)]


def _conflicts(root: Path) -> Iterator[str]:
    for path in own_files(root):
        content = path.read_bytes()
        if marker := _CONFLICT.search(content):
            line = content.count(b"\n", 0, marker.start()) + 1
            yield (
                f"{path.relative_to(root)}:{line}: a merge-conflict marker, so the file holds both sides of a merge;"
                " keep what is right and delete the markers"
            )


def _lost_records(root: Path) -> Iterator[str]:
    kept = {path.name[:4].encode() for path in (root / "docs/adr").glob("*.md")}
    for path in own_files(root):
        for number in sorted(set(_RECORD.findall(path.read_bytes())) - kept):
            place = path.relative_to(root)
            yield f"{place}: there is no docs/adr/{number.decode()}; name the record that it was merged into"


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
