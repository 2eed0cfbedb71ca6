"""The simulation beside a real server: what it predicts of three loads, and what they come to when they are measured.

One load test of the embedded server on this machine gives the model, by the code that `shapebench plan` uses. Each of
three other loads is then simulated by that model, and put on the same server. The generator shares the cores, in every
one of them.
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
from analysis.planning.model import Model, read_model
from analysis.planning.tail import steady
from analysis.store import ResultsStore
from bench import servers
from bench.figures import Figure, describe_machine, report
from bench.synthetic import make_manifest, write_run
from loadtest.payload import rest_body
from loadtest.phases import HOLD
from loadtest.runner import LoadTestSpec, run_load_test
from serving.export import DEFAULT_CACHE, export
from stacks.load_profiles import ClosedLoop

# From one user to 32, who are more than two cores can answer at once: all of the way up, and some of the top.
_OF_THE_MODEL = ClosedLoop(users=32, spawn_rate_per_s=0.4, wait_s=0.5, warmup_s=15, duration_s=110)
_USERS = (2, 8, 24)
_HOLD_S = 40
_SIMULATED_S = 600
_BAR = "-15 .. 15"


@dataclass(frozen=True)
class Level:
    """What a load came to, in its hold phase."""

    rps: float
    p50_ms: float


def main() -> None:
    """Measure the model's run and the three loads, and report; the whole takes about four minutes."""
    print(describe_machine(["tensorflow", "locust", "numpy"]))
    exported = export("auto", DEFAULT_CACHE)
    ports = servers.Ports(servers.free_port(), servers.free_port())
    with servers.embedded(Path(exported["path"]), ports, threads=os.cpu_count() or 1):
        url = f"http://127.0.0.1:{ports.rest}"
        _say(f"the model's run: up to {_OF_THE_MODEL.users} users")
        model = _model_of(_measured_rows(_OF_THE_MODEL, url, exported["name"]))
        figures = [Figure(f"the model: {model.scaling.law}, relative error", model.scaling.error, "")]
        for users in _USERS:
            load = ClosedLoop(users=users, spawn_rate_per_s=8, wait_s=0.5, warmup_s=5, duration_s=users / 8 + _HOLD_S)
            predicted = _predicted(model, load)
            _say(f"{users} users: {predicted.rps:.1f}/s and {predicted.p50_ms:.0f} ms predicted; measuring")
            figures += _beside(users, predicted, _level(_measured_rows(load, url, exported["name"]), load))
    report("simulator", figures)


def _say(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)


def _measured_rows(load: ClosedLoop, url: str, model_name: str) -> pa.Table:
    with tempfile.TemporaryDirectory() as folder:
        spec = LoadTestSpec(load, "rest", url, model_name, Path(folder) / "run", rest_body())
        outcome = run_load_test(spec, lambda _: None, threading.Event())
    if outcome.reasons:
        print(f"  {load.users} users: not a valid run, because {'; '.join(outcome.reasons)}", file=sys.stderr)
    return outcome.rows


def _model_of(rows: pa.Table) -> Model:
    with tempfile.TemporaryDirectory() as folder:
        store = ResultsStore(folder)
        manifest = make_manifest(_OF_THE_MODEL, stack="local", machine_type="e2-custom-2-4096", nodes=1)
        return read_model(store, write_run(store, manifest, rows))


def _predicted(model: Model, load: ClosedLoop) -> Level:
    fleet = simulation.Fleet(1, model.service, model.balancer)
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
