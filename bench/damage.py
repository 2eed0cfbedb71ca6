"""Damages a results store of nine runs in 500 ways, one at a time, and runs every reader on each.

A reader is to name each damage, to end without a traceback, and to show the healthy runs. The readers run in worker
processes, as the stack's owner with permission bits that bind: one that a signal ends is counted and started again.
Drawings and autoscaled fleets of which nothing changes are made once.
"""

import functools
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import vl_convert
from numpy.typing import NDArray

from analysis.formatting import SHORT_ID
from analysis.planning.day import costs
from analysis.planning.day.autoscaling import Delays, Hpa, NodeLoad, Scaled
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from bench.figures import Figure, argument_parser, progress, report, start
from bench.stores.damages import Damage, damage, write_bomb
from bench.stores.nine_runs import write_nine_runs
from bench.stores.permissions import obey_permission_bits
from bench.stores.readers import Answer, readers

DAMAGES = 500
SMALLEST = ("2",)
_BOMB_ROWS = 60_000_000
_MOST_MIB = 2048
# A store in memory is copied and removed in a tenth of the time.
_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - folders with names of their own
# The name of a table of a drawing is another in each, and nothing that is seen.
_DATA = re.compile(r"data-\d+")


def main() -> None:
    """Damage, read and report. With two cores 500 damages take about half an hour."""
    parser = argument_parser("damage", __doc__)
    parser.add_argument("damages", nargs="?", type=int, default=DAMAGES, help=f"how many; default: {DAMAGES}")
    parser.add_argument(
        "--first", type=int, default=0, help="the number of the first; a number is always the same damage"
    )
    parser.add_argument("--in-worker", nargs=2, metavar=("FOLDER", "NUMBERS"), help="for its own worker processes")
    arguments = parser.parse_args() if "--in-worker" in sys.argv else start(parser, ["pyarrow", "pandas", "altair"])
    if arguments.in_worker:
        _work(Path(arguments.in_worker[0]), list(map(int, arguments.in_worker[1].split(","))))
        return
    with tempfile.TemporaryDirectory(dir=_MEMORY) as folder:
        write_nine_runs(Path(folder) / "results")
        write_bomb(Path(folder) / "bomb.parquet", _BOMB_ROWS)
        numbers = range(arguments.first, arguments.first + arguments.damages)
        cores = os.cpu_count() or 1
        with ThreadPoolExecutor(cores) as pool:
            parts = pool.map(lambda at: list(_outcomes(Path(folder), list(numbers[at::cores]))), range(cores))
        outcomes = [outcome for part in parts for outcome in part]
    for outcome in sorted(outcomes, key=lambda outcome: outcome["number"]):
        for what in ("unnoticed", "crashed", "hidden"):
            if outcome[what]:
                progress(f"damage {outcome['number']}, {outcome['kind']}: {what}: {outcome[what]}")
    report("damage", _figures(outcomes))


def _figures(outcomes: Sequence[Mapping[str, Any]]) -> list[Figure]:
    def count(what: str) -> float:
        return sum(bool(outcome[what]) for outcome in outcomes)

    return [
        Figure("damages", len(outcomes), ""),
        Figure("kinds of damage", len({outcome["kind"] for outcome in outcomes}), ""),
        Figure("readers", len(readers()), ""),
        Figure("damages that a reader did not name", count("unnoticed"), "damages", "<= 0"),
        Figure("damages that ended a reader with a traceback", count("crashed"), "damages", "<= 0"),
        Figure("damages after which a healthy run was not shown", count("hidden"), "damages", "<= 0"),
        Figure("peak memory of a worker", max(outcome["peak_mib"] for outcome in outcomes), "MiB", f"<= {_MOST_MIB}"),
    ]


def _outcomes(folder: Path, numbers: list[int]) -> Iterator[dict[str, Any]]:
    """What worker processes print; one that ends early is followed by another."""
    while numbers:
        command = [sys.executable, "-m", "bench.damage", "--in-worker", str(folder), ",".join(map(str, numbers))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout
            for line in worker.stdout:
                outcome = json.loads(line)
                progress(f"damage {outcome['number']}: {outcome['kind']}")
                numbers.remove(outcome["number"])
                yield outcome
        if numbers:
            why = f"the process ended with {worker.returncode}"
            yield {
                "number": numbers.pop(0),
                "kind": "unknown",
                "unnoticed": [],
                "crashed": why,
                "hidden": {},
                "peak_mib": 0,
            }


def _work(folder: Path, numbers: Sequence[int]) -> None:
    """Do damages and print a line of JSON for each."""
    obey_permission_bits()
    # A worker a core, each in one process, so that one drawing is seen by all that draw it again.
    os.cpu_count = lambda: 1
    vl_convert.vegalite_to_svg = _drawn_once(vl_convert.vegalite_to_svg)
    vl_convert.svg_to_png = _drawn_once(vl_convert.svg_to_png)
    costs.scale = _scaled_once(costs.scale)  # type: ignore[attr-defined]  # imported there
    whole = folder / "results"
    runs = ResultsStore(str(whole)).scan().manifests
    with tempfile.TemporaryDirectory(dir=_MEMORY) as out:
        before = _read(whole, whole, Path(out) / "whole", runs[0].run_id)
    for number in numbers:
        with tempfile.TemporaryDirectory(dir=_MEMORY) as temporary:
            store = Path(temporary) / "results"
            shutil.copytree(whole, store)
            done = damage(store, number, folder / "bomb.parquet")
            healthy = [run for run in runs if run.run_id not in done.hurt]
            asked = random.Random(number).choice(healthy).run_id  # noqa: S311 - nothing secret
            if done.in_rows:
                [asked] = done.hurt
            answers = _read(store, whole, Path(temporary) / "out", asked)
            _make_readable(store)
        outcome = judged(done, answers, before, healthy, asked)
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"number": number, "kind": done.kind, "peak_mib": peak_mib, **outcome}), flush=True)


def _read(store: Path, whole: Path, out: Path, run_id: str) -> dict[str, Answer]:
    return {reader.name: reader.read(store, whole, out, run_id) for reader in readers()}


def judged(
    done: Damage, answers: Mapping[str, Answer], before: Mapping[str, Answer], healthy: Sequence[Manifest], asked: str
) -> dict[str, Any]:
    """Which readers did not name the damage, which crashed, and what each does not show.

    What a reader says of a whole store, too, names no damage.
    """
    searched = {run.stack for run in healthy if run.capacity}
    shows = {
        "run": [asked],
        "short id": [asked[-SHORT_ID:]],
        "nothing": [],
        "runs": [run.run_id for run in healthy],
        "short ids": [run.run_id[-SHORT_ID:] for run in healthy],
        "stacks": sorted(searched),
        "variants": sorted(searched - {"local"}),
        "rows": ["rows"],
    }
    unnoticed, crashed, hidden = [], {}, {}
    for reader in readers():
        if reader.name not in answers:
            continue
        answer = answers[reader.name]
        new = answer.said - before[reader.name].said
        if not any(name in line for line in new for name in done.names):
            unnoticed.append(reader.name)
        if answer.crash:
            crashed[reader.name] = answer.crash
        # Rows that cannot be read are not shown.
        wanted = [] if done.in_rows and reader.shows == "rows" else shows[reader.shows]
        if missing := [name for name in wanted if name not in answer.shown]:
            hidden[reader.name] = missing
    return {"unnoticed": unnoticed, "crashed": crashed, "hidden": hidden}


def _drawn_once(draw: Callable[..., Any]) -> Callable[..., Any]:
    """Keep the drawing of each specification, whatever its tables are called."""
    drawn: dict[str, Any] = {}

    @functools.wraps(draw)
    def drawn_once(what: Any, **options: Any) -> Any:  # noqa: ANN401 - as the library's
        text = what if isinstance(what, str) else json.dumps(what)
        names: dict[str, str] = {}
        key = _DATA.sub(lambda name: names.setdefault(name[0], f"data {len(names)}"), text)
        if key not in drawn:
            drawn[key] = draw(what, **options)
        return drawn[key]

    return drawn_once


def _scaled_once(scale: Callable[..., Scaled]) -> Callable[..., Scaled]:
    """Keep the fleet of each variant over a day, which most damages leave as it is."""
    scaled: dict[Any, Scaled] = {}

    @functools.wraps(scale)
    def scaled_once(hpa: Hpa, delays: Delays, load: NodeLoad, observed_rps: NDArray[np.float64], nodes: int) -> Scaled:
        key = (hpa, delays, load, observed_rps.tobytes(), nodes)
        if key not in scaled:
            scaled[key] = scale(hpa, delays, load, observed_rps, nodes)
        return scaled[key]

    return scaled_once


def _make_readable(folder: Path) -> None:
    """So that it can be removed."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


if __name__ == "__main__":
    main()
