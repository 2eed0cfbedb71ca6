"""A Python environment of its own for a server whose pins are not ours."""

import hashlib
import subprocess
import sys
from pathlib import Path

from bench.figures import BUILD, progress


def python_with(requirements: Path) -> Path:
    """The Python of the environment, which is installed if it is missing or its requirements changed."""
    folder = BUILD / f"{requirements.stem}-venv"
    installed, wanted = folder / "made-from", hashlib.sha256(requirements.read_bytes()).hexdigest()
    python = folder / "bin/python"
    if not installed.exists() or installed.read_text() != wanted:
        progress(f"installing {requirements.name} into an environment of its own")
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)], check=True)
        install = ["pip", "sync", "--quiet", "--require-hashes", "--python", str(python), str(requirements)]
        subprocess.run([*uv, *install], check=True)
        installed.write_text(wanted)
    return python
