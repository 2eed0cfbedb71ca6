"""The simulation beside a real server: what it predicts of three loads, and what they come to when they are measured.

One load test of the embedded server on this machine gives the law of how it scales, by the code that `shapebench plan`
uses: the first of the laws, which meets the throughput best (a plan, which is about tails, may prefer another). Each of
three other loads is then simulated by it, and put on the same server. The generator shares the cores, in all of them.
"""

import os
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from analysis.planning import simulation
from analysis.planning.curve import curve_of
from analysis.planning.model import most_at_once
from analysis.planning.scaling import Scaling, fit
from analysis.planning.service import Service
from analysis.planning.tail import steady
from analysis.results.columns import read_columns
from analysis.results.store import ResultsStore
from bench.figures import Figure, describe_machine, report
from bench.servers import processes as servers
from bench.stores.synthetic import make_manifest, write_run
from loadtest.generator.phases import HOLD
from loadtest.generator.plan import LoadTestPlan, load_plan
from loadtest.run.payload import rest_body
from loadtest.run.runner import run_load_test
from serving.export.exporter import DEFAULT_CACHE, export
from stacks.load_profiles import ClosedLoop

# From one user to 32, who ask more than two cores answer: slowly all of the way up, and some of the top.
_OF_THE_MODEL = ClosedLoop(users=32, spawn_rate_per_s=0.2, wait_s=0.5, warmup_s=15, duration_s=190)
# A fifth and a half of what two cores answer, and more than that.
_USERS = (4, 12, 40)
_HOLD_S = 40
_SIMULATED_S = 600
_BAR = "-15 .. 15"


@dataclass(frozen=True)
class Level:
    """What a load came to, in its hold phase."""

    rps: float
    p50_ms: float


def main() -> None:
    """Measure the model's run and the three loads, and report; the whole takes about six minutes."""
    print(describe_machine(["tensorflow", "locust", "numpy"]))
    exported = export("auto", DEFAULT_CACHE)
    ports = servers.Ports(servers.free_port(), servers.free_port())
    with servers.embedded(Path(exported["path"]), ports, threads=os.cpu_count() or 1):
        url = f"http://127.0.0.1:{ports.rest}"
        _say(f"the model's run: up to {_OF_THE_MODEL.users} users")
        law, service = _model_of(_measured_rows(_OF_THE_MODEL, url, exported["name"]))
        figures = [Figure(f"the model: {law.law}, {law.alone_ms:.1f} ms alone, relative error", law.error, "")]
        for users in _USERS:
            load = ClosedLoop(users=users, spawn_rate_per_s=8, wait_s=0.5, warmup_s=5, duration_s=users / 8 + _HOLD_S)
            predicted = _predicted(service, load)
            _say(f"{users} users: {predicted.rps:.1f}/s and {predicted.p50_ms:.0f} ms predicted; measuring")
            figures += _beside(users, predicted, _level(_measured_rows(load, url, exported["name"]), load))
    report("simulator", figures)


def _say(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)


def _measured_rows(load: ClosedLoop, url: str, model_name: str) -> pa.Table:
    with tempfile.TemporaryDirectory() as folder:
        plan = LoadTestPlan(load_plan(load.model_dump()), "rest", url, model_name, str(Path(folder) / "run"))
        outcome = run_load_test(plan, rest_body(), lambda _: None, threading.Event())
    if outcome.reasons:
        print(f"  {load.users} users: not a valid run, because {'; '.join(outcome.reasons)}", file=sys.stderr)
    return outcome.rows


def _model_of(rows: pa.Table) -> tuple[Scaling, Service]:
    manifest = make_manifest(_OF_THE_MODEL, stack="local", machine_type="e2-custom-2-4096", nodes=1)
    with tempfile.TemporaryDirectory() as folder:
        store = ResultsStore(folder)
        curve = curve_of(read_columns(store, write_run(store, manifest, rows)).every, replicas=1, balancer="random")
    if curve is None:
        raise RuntimeError("the model's run has no level of load with enough requests; its server hardly answered")
    law, *_ = fit(curve.points, most_at_once(manifest))
    return law, Service(law.alone_ms, curve.spread, law.speeds(most_at_once(manifest)))


def _predicted(service: Service, load: ClosedLoop) -> Level:
    fleet = simulation.Fleet(1, service, "random")
    answered = steady(simulation.simulate(fleet, simulation.ClosedLoop(load.users, load.wait_s, _SIMULATED_S)))
    return Level(answered.throughput_rps, answered.quantile_ms(0.5))


def _level(rows: pa.Table, load: ClosedLoop) -> Level:
    good = rows.filter(pc.and_(pc.equal(rows["phase"], HOLD), rows["ok"]))
    return Level(good.num_rows / load.hold_s, pc.quantile(good["latency_us"], 0.5)[0].as_py() / 1000)


def _beside(users: int, predicted: Level, measured: Level) -> list[Figure]:
    return [
        Figure(f"{users} users: throughput measured", measured.rps, "requests/s"),
        Figure(f"{users} users: throughput predicted, off by", _off_percent(predicted.rps, measured.rps), "%", _BAR),
        Figure(f"{users} users: p50 measured", measured.p50_ms, "ms"),
        Figure(f"{users} users: p50 predicted, off by", _off_percent(predicted.p50_ms, measured.p50_ms), "%", _BAR),
    ]


def _off_percent(predicted: float, measured: float) -> float:
    return 100 * (predicted / measured - 1)


if __name__ == "__main__":
    main()
