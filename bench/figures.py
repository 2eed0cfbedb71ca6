"""What all benchmarks share: the command line, the line about the machine, and figures with their bars.

A bar is text such as `<= 1.25` or `93 .. 97`, so that the JSON file shows what was required beside what was measured.
A benchmark exits 0 when it measured, whether or not its bars hold: the machines are noisy, and a figure that misses its
bar is a result.

A benchmark that takes more than some seconds has a constant `SMALLEST`: the arguments with which `make bench-smoke`
(bench/smoke.py) starts it, to see that it runs.
"""

import argparse
import json
import operator
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

# The variable is for `make bench-smoke`, which must not overwrite figures.
BUILD = Path(os.environ.get("SHAPEBENCH_BENCH_FOLDER", "build/bench"))
_COMPARE = {"<=": operator.le, ">=": operator.ge}


@dataclass(frozen=True)
class Figure:
    """One measured value. `bar` is `<= x`, `>= x`, `x .. y`, or None if the value is for comparison only."""

    name: str
    value: float
    unit: str
    bar: str | None = None

    @property
    def holds(self) -> bool | None:
        if self.bar is None:
            return None
        if " .. " in self.bar:
            low, high = map(float, self.bar.split(" .. "))
            return low <= self.value <= high
        sign, limit = self.bar.split()
        return bool(_COMPARE[sign](self.value, float(limit)))


def argument_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """The parser of `python -m bench.<name>`; `--help` prints `description`, the benchmark's docstring."""
    formatter = argparse.RawDescriptionHelpFormatter
    return argparse.ArgumentParser(prog=f"python -m bench.{name}", description=description, formatter_class=formatter)


def start(parser: argparse.ArgumentParser, packages: Sequence[str]) -> argparse.Namespace:
    """Parse the command line, then print one line about the machine: architecture, cores, versions of `packages`."""
    arguments = parser.parse_args()
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    return arguments


def progress(message: str) -> None:
    """Print `message` to standard error, so that standard output has only results."""
    print(message, file=sys.stderr, flush=True)


def report(name: str, figures: Sequence[Figure]) -> None:
    """Print one line a figure and write `<name>.json` in BUILD."""
    for figure in figures:
        verdict = {None: "", True: f"   bar {figure.bar}: holds", False: f"   bar {figure.bar}: FALLS SHORT"}
        print(f"{figure.name:<58} {figure.value:>12.4g} {figure.unit:<12}{verdict[figure.holds]}")
    BUILD.mkdir(parents=True, exist_ok=True)
    text = json.dumps([asdict(figure) | {"holds": figure.holds} for figure in figures], indent=2)
    (BUILD / f"{name}.json").write_text(text + "\n")
