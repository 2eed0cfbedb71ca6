"""Writes a file that is not there yet: whole or not at all."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory


def write_new_file(path: Path, text: str) -> None:
    """Write the text to a new file; raises FileExistsError where there is one by now, and other OSErrors."""
    with TemporaryDirectory(dir=path.parent) as scratch:
        whole = Path(scratch, path.name)
        whole.write_text(text, encoding="utf-8")
        os.link(whole, path)
