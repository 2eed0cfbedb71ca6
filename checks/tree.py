"""Lists the files of a checkout that `.gitignore` does not exclude."""

import os
from collections.abc import Iterator
from pathlib import Path


def own_files(root: Path) -> Iterator[Path]:
    """Every file that `.gitignore` does not exclude, tracked by git or not."""
    patterns = [line for line in (root / ".gitignore").read_text().splitlines() if line and not line.startswith("#")]
    at_root = {pattern.strip("/") for pattern in patterns if pattern.startswith("/")} | {".git"}
    anywhere = [pattern.strip("/") for pattern in patterns if not pattern.startswith("/")]
    for folder, subfolders, names in os.walk(root):
        here = Path(folder)
        ignored = {
            name
            for name in subfolders
            if (here == root and name in at_root) or any(Path(name).match(each) for each in anywhere)
        }
        subfolders[:] = sorted(set(subfolders) - ignored)
        yield from (here / name for name in sorted(names))
