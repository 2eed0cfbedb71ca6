"""Writes executable shell scripts that stand in for programs."""

from pathlib import Path


def write_script(path: Path, text: str) -> Path:
    """Write an executable shell script, with its folder; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def write_pulumi(folder: Path, version: str) -> dict[str, str]:
    """Write a Pulumi that prints this version, and its Python host; returns an environment with both on PATH."""
    write_script(folder / "pulumi", f"echo {version}")
    write_script(folder / "pulumi-language-python", "exit 1")
    write_script(folder / "pulumi-language-python-exec", "exit 1")
    return {"PATH": f"{folder}:/usr/bin:/bin"}
