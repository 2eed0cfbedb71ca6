"""Checks that shell scripts parse in the shells that run them, and that Go sources are formatted."""

import re
import shutil
import subprocess
from pathlib import Path

from checks.tree import own_files

_SHEBANG = re.compile(r"#!.*\b(dash|bash|sh)\b")


def problems(root: Path) -> list[str]:
    """Scripts that do not parse, and Go files that are not formatted."""
    found: list[str] = []
    for path in own_files(root):
        shell = _shell_of(path)
        if shell is not None:
            parsed = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True, check=False)
            if parsed.returncode != 0:
                found.append(f"{path.relative_to(root)}: {shell} cannot parse it: {parsed.stderr.strip()}")
    formatter = shutil.which("gofmt")
    if formatter is not None:
        listed = subprocess.run([formatter, "-l", "tools"], cwd=root, capture_output=True, text=True, check=False)
        found += [f"{name}: not formatted; run `gofmt -w {name}`" for name in listed.stdout.split()]
        found += [f"tools: {listed.stderr.strip()}"] if listed.returncode != 0 else []
    return found


def _shell_of(path: Path) -> str | None:
    """The shell of a script's first line; `sh` for sourced files, which have none."""
    with path.open("rb") as file:
        first = file.readline(80).decode(errors="replace")
    named = _SHEBANG.match(first)
    if named is not None:
        return named[1]
    return "sh" if path.suffix == ".sh" else None
