"""What the simulation predicts for three loads of the embedded server, compared with measurements.

A load test of the embedded server on this machine is fitted to scaling laws by the code of `shapebench plan`. The law
that fits the throughput best then predicts three other loads, which are also measured on the same server. (A plan is
about tails and may choose another law.) The generator shares the server's cores in all load tests.
"""

import os
import tempfile
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
from bench.figures import Figure, argument_parser, progress, report, start
from bench.generators.our_generator import load_test
from bench.servers import processes as servers
from bench.stores.synthetic import make_manifest, write_run
from loadtest.generator.phases import HOLD
from loadtest.run.payload import rest_body
from serving.export.exporter import DEFAULT_CACHE, export
from stacks.load_profiles import ClosedLoop

# Slowly up to 32 users, who send more than two cores can answer, and some time with all of them.
_FITTED_LOAD = ClosedLoop(users=32, spawn_rate_per_s=0.2, wait_s=0.5, warmup_s=15, duration_s=190)
# A fifth and a half of the capacity of two cores, and more than that.
_USERS = (4, 12, 40)
_HOLD_S = 40
_SIMULATED_S = 600
_BAR = "-15 .. 15"


# Good answers per second in the hold phase of a load, and their median latency in milliseconds.
Level = tuple[float, float]


def main() -> None:
    """Measure the fitted load and the three others, and report; takes about six minutes."""
    start(argument_parser("simulator", __doc__), ["tensorflow", "locust", "numpy"])
    exported = export("auto", DEFAULT_CACHE)
    with servers.embedded(Path(exported["path"]), threads=os.cpu_count() or 1) as ports:
        url = f"http://127.0.0.1:{ports['rest']}"
        progress(f"measuring the fitted load: up to {_FITTED_LOAD.users} users ...")
        law, service = _fitted(_measured_rows(_FITTED_LOAD, url))
        figures = [Figure(f"fitted law: {law.law}, {law.alone_ms:.1f} ms alone, relative error", law.error, "")]
        for users in _USERS:
            load = ClosedLoop(users=users, spawn_rate_per_s=8, wait_s=0.5, warmup_s=5, duration_s=users / 8 + _HOLD_S)
            predicted = _predicted(service, load)
            progress(f"{users} users: {predicted[0]:.1f}/s and {predicted[1]:.0f} ms predicted; measuring ...")
            figures += _compare(users, predicted, _level(_measured_rows(load, url), load))
    report("simulator", figures)


def _measured_rows(load: ClosedLoop, url: str) -> pa.Table:
    return load_test(f"{load.users} users", load, url, rest_body()).rows


def _fitted(rows: pa.Table) -> tuple[Scaling, Service]:
    manifest = make_manifest(_FITTED_LOAD, stack="local", machine_type="e2-custom-2-4096", nodes=1)
    with tempfile.TemporaryDirectory() as folder:
        store = ResultsStore(folder)
        curve = curve_of(read_columns(store, write_run(store, manifest, rows)).every, replicas=1, balancer="random")
    if curve is None:
        raise RuntimeError(
            "the fitted load has no level with enough requests: the server hardly answered; run it on an idle machine"
        )
    law, *_ = fit(curve.points, most_at_once(manifest))
    return law, Service(law.alone_ms, curve.spread, law.speeds(most_at_once(manifest)))


def _predicted(service: Service, load: ClosedLoop) -> Level:
    fleet = simulation.Fleet(1, service, "random")
    answered = steady(simulation.simulate(fleet, simulation.ClosedLoop(load.users, load.wait_s, _SIMULATED_S)))
    return answered.throughput_rps, answered.quantile_ms(0.5)


def _level(rows: pa.Table, load: ClosedLoop) -> Level:
    good = rows.filter(pc.and_(pc.equal(rows["phase"], HOLD), rows["ok"]))
    return good.num_rows / load.hold_s, pc.quantile(good["latency_us"], 0.5)[0].as_py() / 1000


def _compare(users: int, predicted: Level, measured: Level) -> list[Figure]:
    figures = []
    for name, unit, expected, found in zip(
        ("throughput", "p50"), ("requests/s", "ms"), predicted, measured, strict=True
    ):
        figures.append(Figure(f"{users} users: measured {name}", found, unit))
        figures.append(Figure(f"{users} users: predicted {name}, error", 100 * (expected / found - 1), "%", _BAR))
    return figures


if __name__ == "__main__":
    main()
