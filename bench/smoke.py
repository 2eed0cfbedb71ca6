"""Starts every benchmark at its smallest size, to see that each runs and writes its figures; those mean nothing.

A benchmark is a module of this folder with a `main`. Its constant `SMALLEST` has the arguments of its smallest size;
without one it is started without arguments. The figures go to build/bench-smoke/, so that those of build/bench/ stay.
`python -m bench.smoke NAME …` starts only these.
"""

import argparse
import ast
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_FOLDER = Path("build/bench-smoke")
_HERE = Path(__file__).parent
# Each waits most of its time. What they measure beside each other means nothing, as it does at this size anyway.
_AT_ONCE = 2
_TIMEOUT_S = 480


def main() -> int:
    """Return 1 if one does not run."""
    parser = argparse.ArgumentParser(prog="python -m bench.smoke", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    names = parser.parse_args().names or benchmarks()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        failed = [name for name, runs in zip(names, pool.map(_runs, names), strict=True) if not runs]
    if failed:
        print(f"these benchmarks do not run: {', '.join(failed)}; each log is above")
    return bool(failed)


def benchmarks() -> list[str]:
    """The names of all benchmarks."""
    return sorted(
        module.stem
        for module in _HERE.glob("*.py")
        if module != Path(__file__) and "def main(" in module.read_text(encoding="utf-8")
    )


def smallest(name: str) -> Sequence[str]:
    """The arguments of the smallest size, read without importing the benchmark and what it measures."""
    for statement in ast.parse((_HERE / f"{name}.py").read_text(encoding="utf-8")).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="SMALLEST")], value=value):
                return tuple(ast.literal_eval(value))
    return ()


def _runs(name: str) -> bool:
    written = _FOLDER / f"{name}.json"
    written.unlink(missing_ok=True)
    began_s = time.monotonic()
    started = subprocess.Popen(
        [sys.executable, "-m", f"bench.{name}", *smallest(name)],
        env=os.environ | {"SHAPEBENCH_BENCH_FOLDER": str(_FOLDER)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that its servers and load generators end with it
    )
    try:
        output, _ = started.communicate(timeout=_TIMEOUT_S)
        code = started.returncode
    except subprocess.TimeoutExpired as error:
        os.killpg(started.pid, signal.SIGKILL)
        output, _ = started.communicate()
        code, output = -1, f"{output}{error}\ngive bench/{name}.py a smaller SMALLEST"
    took = f"{time.monotonic() - began_s:.0f} s"
    if code == 0 and written.exists() and (figures := json.loads(written.read_text(encoding="utf-8"))):
        print(f"{name}: {len(figures)} figures in {took}", flush=True)
        return True
    print(f"{output}\n{name}: FAILED after {took} with exit code {code}", flush=True)
    return False


if __name__ == "__main__":
    sys.exit(main())
