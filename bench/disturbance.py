"""Whether runs beside other programs are refused, and runs on an idle machine are not.

The server, the generator and the checks are those of the stack `local`. First come runs of a saturated closed loop with
four busy loops beside them, each with a run without in turn. With `--sweeps`, the sweep of `make demo` is run so often
on the idle machine, and as often while busy loops come and go; this takes about ten minutes each.

Nothing else may use the machine meanwhile: each run that is refused without the loops counts against its bar.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

from analysis.objective import Objective
from analysis.results.run.disturbance import was_disturbed
from analysis.results.schema.manifest import Manifest, Model
from analysis.results.storage.layout import Problem
from analysis.results.storage.store import ResultsStore, new_run_id
from analysis.verdict.verdict import read_verdict
from bench.figures import Figure, argument_parser, progress, report, start
from bench.generators.busy_loops import bursts, busy_loops
from bench.servers import processes as servers
from loadtest.result.validity.disturbance import IGNORED
from loadtest.run.payload import payload_of
from provider.load_test_inputs import LocalLoadTestInputs, ServingInputs
from provider.measure_here import run_once
from provider.record.record_run import InvalidRunError
from provider.record.repeats import PlannedRun
from provider.resource import Operation
from serving.export.exporter import DEFAULT_CACHE, export
from stacks.files import load_settings
from stacks.load.load_profiles import ClosedLoop
from stacks.server.models import RESNET50
from tools.pins import ROOT

SMALLEST = ("--runs", "1", "--hold", "2")
_LOOPS = 4
_USERS = 16
# So that most attempts of 130 s meet none: a sweep of which each attempt is disturbed has nothing to say.
_BUSY_S, _QUIET_S = 40.0, 200.0
_OBJECTIVE = Objective(quantile=0.9, latency_ms=2000, errors=0.01)
_DEMO = ROOT / "tools/demo.yaml"
# What a sweep says in its last lines: what it chose, by how much that may be dearer, and by how much the next one was.
_CHOSEN = re.compile(r"Cheapest with [^:]+: (?P<chosen>.+?), [\d.]+ USD per million")
_CLAIM = re.compile(r"(?:costs at most|may cost up to) (?P<most>[\d.]+) % more than the cheapest")
_NEXT = re.compile(r"next is .+?, (?P<behind>[\d.]+) % (?P<than>dearer|cheaper) in its")


@dataclass(frozen=True)
class Closing:
    """What a sweep chose, by how many percent it may be dearer than the cheapest, and by how many the next one is."""

    chosen: str
    most_percent: float
    behind_percent: float | None

    def contradicts(self, other: "Closing") -> bool:
        """Whether they chose differently, and one saw a difference that the other one excluded."""
        if self.chosen == other.chosen:
            return False
        sides = ((self, other), (other, self))
        return any(seen.behind_percent is not None and seen.behind_percent > by.most_percent for by, seen in sides)


def main() -> None:
    """Measure and report; ten runs of each kind take about seven minutes."""
    parser = argument_parser("disturbance", __doc__)
    parser.add_argument("--runs", type=int, default=10, help="runs with the busy loops, and as many without")
    parser.add_argument("--hold", type=float, default=12.0, help="seconds of each run that count")
    parser.add_argument("--sweeps", type=int, default=0, help="sweeps on the idle machine, and as many beside bursts")
    options = start(parser, ["locust", "tensorflow"])
    os.environ.pop(IGNORED, None)
    # So that the blocks end what they started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    figures = _of_runs(options.runs, options.hold) if options.runs else []
    report("disturbance", [*figures, *(_of_sweeps(options.sweeps) if options.sweeps else [])])


def _of_runs(count: int, hold_s: float) -> list[Figure]:
    with TemporaryDirectory() as folder, _served(Path(folder), hold_s) as inputs:
        store = ResultsStore(inputs.results)
        busy, idle = [], []
        for number in range(1, count + 1):
            progress(f"run {number} of {count}")
            with busy_loops(_LOOPS):
                busy.append(_measured(inputs, store))
            idle.append(_measured(inputs, store))
        said = read_verdict(store, _OBJECTIVE)
        rest_on = {evidence.run_id for ranked in said.ranking for evidence in ranked.capacity.evidence}
    refused = sum(not _is_valid(run) for run in busy)
    return [
        Figure("with busy loops: runs refused", refused / count, "of all", ">= 1"),
        Figure("with busy loops: refused as disturbed", _disturbed(busy) / count, "of all", ">= 1"),
        Figure("with busy loops: runs a verdict rests on", len(rest_on & {run.run_id for run in busy}), "runs", "<= 0"),
        Figure("without: runs refused as disturbed", _disturbed(idle) / count, "of all", "<= 0"),
        Figure("without: runs refused for another reason", sum(not _is_valid(run) for run in idle), "runs"),
        Figure("with busy loops: least CPU of other programs", min(_others(busy)), "of the cores"),
        Figure("without: most CPU of other programs", max(_others(idle)), "of the cores"),
    ]


def _is_valid(run: Manifest) -> bool:
    return run.validity.verdict == "valid"


def _disturbed(runs: Sequence[Manifest]) -> int:
    return sum(was_disturbed(run.validity.reasons) for run in runs)


def _others(runs: Sequence[Manifest]) -> list[float]:
    """The shares that other programs took; 0 where they are not known."""
    return [run.other_cpu.share if run.other_cpu else 0.0 for run in runs]


def _measured(inputs: LocalLoadTestInputs, store: ResultsStore) -> Manifest:
    """The run of one attempt, valid or not."""
    planned = PlannedRun(new_run_id())
    with suppress(InvalidRunError):
        run_once(inputs, planned, Operation(progress, lambda _: None))
    run = store.run(inputs.stack, planned.run_id)
    if run is None or isinstance(run, Problem):
        raise RuntimeError(f"the run {planned.run_id} was not stored: {run}")
    if not _is_valid(run):
        progress(f"refused: {'; '.join(run.validity.reasons)}")
    return run


@contextmanager
def _served(folder: Path, hold_s: float) -> Iterator[LocalLoadTestInputs]:
    """The embedded server with the stack's model, and the inputs of a load test that saturates it."""
    settings, model = load_settings("local"), export("auto", DEFAULT_CACHE)
    threads = settings.variant.intra_op
    with servers.embedded(Path(model["path"]), threads) as ports:
        url = f"http://127.0.0.1:{ports['rest']}"
        serving = ServingInputs(
            **settings.variant.model_dump() | {"protocol": "rest", "inter_op": threads},
            server="embedded",
            server_version="this checkout",
            model=Model(**{name: model[name] for name in ("name", "digest", "weights")}),
        )
        payload = folder / "payload"
        payload.write_bytes(payload_of(RESNET50).to_bytes())
        yield LocalLoadTestInputs(
            stack="local", platform="local", base_url=url, rest_url=url, fingerprint="", serving=serving,
            profile=ClosedLoop(
                users=_USERS, spawn_rate_per_s=_USERS, wait_s=0, warmup_s=3, duration_s=hold_s + 1
            ),
            shape=settings.node_shape("local"), region=settings.region, repeats=1, fresh_deployment=False, processes=1,
            payload_digest="", check_answers=settings.payload.check, tolerance=settings.payload.tolerance,
            payload=str(payload), model=RESNET50, rerun="",
            results=str(folder / "results"), work_dir=str(folder / "runs"), server_log="",
            start_timeout_s=60,
        )  # fmt: skip


def _of_sweeps(count: int) -> list[Figure]:
    with TemporaryDirectory() as folder:
        said = []
        for number in range(1, 2 * count + 1):
            progress(f"sweep {number} of {2 * count}")
            with bursts(_LOOPS, _BUSY_S, _QUIET_S) if number % 2 else nullcontext():
                said.append(_swept(Path(folder) / str(number)))
    closings = [closing for text in said if (closing := closing_of(text))]
    return [
        Figure("sweeps that chose one of both candidates", len(closings), "sweeps"),
        Figure("sweeps: runs that were refused", sum(map(_refused, said)), "runs"),
        Figure(
            "pairs of closing lines that contradict each other",
            sum(one.contradicts(other) for one, other in combinations(closings, 2)),
            "pairs",
            "<= 0",
        ),
    ]


def _swept(folder: Path) -> str:
    """What the sweep of the demo prints at its end. It is interrupted, and destroys its stack, where this is ended."""
    command = [
        *(sys.executable, "-m", "shapebench", "sweep", "--file", str(_DEMO)),
        *("--results", str(folder / "results"), "--out", str(folder / "report")),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True) as sweep:
        try:
            said, _ = sweep.communicate()
        finally:
            if sweep.poll() is None:
                sweep.send_signal(signal.SIGINT)
                sweep.wait()
    progress(said)
    return said


def closing_of(said: str) -> Closing | None:
    """What the last lines claim; None where one candidate or none could be measured."""
    text = " ".join(said.split())
    chosen, claim, behind = _CHOSEN.search(text), _CLAIM.search(text), _NEXT.search(text)
    if chosen is None:
        return None
    sign = -1 if behind and behind["than"] == "cheaper" else 1
    return Closing(
        chosen["chosen"], float(claim["most"]) if claim else 0.0, sign * float(behind["behind"]) if behind else None
    )


def _refused(said: str) -> int:
    found = re.search(r"(\d+) more runs? (?:was|were) refused", " ".join(said.split()))
    return int(found[1]) if found else 0


if __name__ == "__main__":
    main()
