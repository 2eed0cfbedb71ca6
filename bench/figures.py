"""What every benchmark reports: figures with their bars, printed as lines and written as JSON.

A bar is text such as `<= 1.25` or `93 .. 97`, so that the file says what was asked beside what was measured. A
benchmark exits 0 when it measured, whether or not its bars hold: these machines are noisy, and a figure that falls
short is a finding.
"""

import json
import operator
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

_COMPARE = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Figure:
    """One measured value. `bar` is `<= x`, `>= x`, `x .. y`, or None where the value only stands beside others."""

    name: str
    value: float
    unit: str
    bar: str | None = None

    @property
    def holds(self) -> bool | None:
        """Whether the value meets its bar; None where there is none."""
        if self.bar is None:
            return None
        if " .. " in self.bar:
            low, high = map(float, self.bar.split(" .. "))
            return low <= self.value <= high
        sign, limit = self.bar.split()
        return bool(_COMPARE[sign](self.value, float(limit)))


def describe_machine(packages: Sequence[str]) -> str:
    """One line: the processor architecture, the cores, and the versions that were measured."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def report(name: str, figures: Sequence[Figure]) -> Path:
    """Print one line a figure and write `build/bench/<name>.json`; returns the file."""
    for figure in figures:
        verdict = {None: "", True: f"   bar {figure.bar}: holds", False: f"   bar {figure.bar}: FALLS SHORT"}
        print(f"{figure.name:<58} {figure.value:>12.4g} {figure.unit:<12}{verdict[figure.holds]}")
    path = Path("build/bench") / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(figure) | {"holds": figure.holds} for figure in figures], indent=2) + "\n")
    return path
