"""What the simulation predicts for four loads of the embedded server, compared with measurements.

A load test of the embedded server on this machine gives a scaling law, by the code of `shapebench plan`, which then
predicts the median of four other loads, one of them at the knee. These are also measured on the same server. Where the
law is too uncertain for 15 %, the prediction says so: either the law does not predict the levels of its own run from
each other, or a server that is faster or slower by the error of these predictions has a median that differs by more
than 15 %. The generator shares the server's cores in all load tests. The pauses of all users are exponential, as those
of constant length fall into step: of four users, each sends together with the same other one.

A shared machine may be half as fast some minutes later, which no law of an earlier run can know. So a short probe runs
between any two loads, and the report shows how it differs. The prediction takes no account of that: probes of a machine
at rest differ by several percent, of which the knee would make three times as much.
"""

import math
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from analysis.planning import simulation
from analysis.planning.balancing import Balancer
from analysis.planning.curve import curve_of
from analysis.planning.model import MOST_ERROR, Model, NoModelError, models_of
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

_PAUSES: Final = "exponential"
# Slowly up to 32 users, who send more than two cores can answer, and some time with all of them.
_FITTED_LOAD = ClosedLoop(users=32, spawn_rate_per_s=0.2, wait_s=0.5, pauses=_PAUSES, warmup_s=15, duration_s=190)
# A fifth and a half of the capacity of two cores, all of it, and more than that.
_USERS = (4, 12, 24, 40)
_HOLD_S = 40
# Two users without pauses, who keep both cores busy, for the speed of the machine.
_PROBE = ClosedLoop(users=2, spawn_rate_per_s=2, wait_s=0, warmup_s=1, duration_s=12)
_SIMULATED_S = 600
_BAR = f"-{MOST_ERROR:.0%} .. {MOST_ERROR:.0%}".replace("%", "")


@dataclass(frozen=True)
class Prediction:
    """The median latency, and its range over the error of the model."""

    p50_ms: float
    low_ms: float
    high_ms: float

    @property
    def is_certain(self) -> bool:
        return self.high_ms / self.p50_ms - 1 <= MOST_ERROR and 1 - self.low_ms / self.p50_ms <= MOST_ERROR


def main() -> None:
    """Measure the fitted load and the four others, and report; takes about nine minutes."""
    start(argument_parser("simulator", __doc__), ["tensorflow", "locust", "numpy"])
    exported = export("auto", DEFAULT_CACHE)
    with servers.embedded(Path(exported["path"]), threads=os.cpu_count() or 1) as ports:
        url = f"http://127.0.0.1:{ports['rest']}"
        progress(f"measuring the fitted load: up to {_FITTED_LOAD.users} users ...")
        try:
            probes_ms = [_p50_ms(_rows(_PROBE, url))]
            model = _fitted(_rows(_FITTED_LOAD, url))
            probes_ms.append(_p50_ms(_rows(_PROBE, url)))
        except NoModelError as error:
            progress(f"the law predicts nothing: {error}")
            report("simulator", [Figure("predictions that the law refuses", len(_USERS), f"of {len(_USERS)}")])
            return
        law = model.law
        name = f"law: {law.alone_ms:.1f} ms alone, {law.at_once} at once, contention {law.contention:.2f}"
        figures = [Figure(f"{name}; predicts its own levels to", 100 * model.error, "%")]
        for users in _USERS:
            load = ClosedLoop(
                users=users, spawn_rate_per_s=8, wait_s=0.5, pauses=_PAUSES, warmup_s=5, duration_s=users / 8 + _HOLD_S
            )
            progress(f"measuring {users} users ...")
            rows = _rows(load, url)
            probes_ms.append(_p50_ms(_rows(_PROBE, url)))
            slower = math.sqrt(probes_ms[-2] * probes_ms[-1] / (probes_ms[0] * probes_ms[1]))
            figures += _compare(users, slower, _predicted(model, load), _p50_ms(rows))
    report("simulator", figures)


def _rows(load: ClosedLoop, url: str) -> pa.Table:
    return load_test(f"{load.users} users", load, url, rest_body()).rows


def _fitted(rows: pa.Table) -> Model:
    manifest = make_manifest(_FITTED_LOAD, stack="local", machine_type="e2-custom-2-4096", nodes=1)
    with tempfile.TemporaryDirectory() as folder:
        store = ResultsStore(folder)
        curve = curve_of(read_columns(store, write_run(store, manifest, rows)).every, replicas=1)
    return models_of(manifest, curve)[0]


def _predicted(model: Model, load: ClosedLoop) -> Prediction:
    def p50_ms(off: float) -> float:
        service = replace(model.service, alone_ms=model.service.alone_ms * off)
        fleet = simulation.Fleet(1, service, Balancer("random"))
        closed = simulation.ClosedLoop(load.users, load.wait_s, _SIMULATED_S, pauses=load.pauses)
        return simulation.simulate(fleet, closed).steady.quantile_ms(0.5)

    return Prediction(p50_ms(1), p50_ms(1 - model.error), p50_ms(1 + model.error))


def _p50_ms(rows: pa.Table) -> float:
    good = rows.filter(pc.and_(pc.equal(rows["phase"], HOLD), rows["ok"]))
    return float(pc.quantile(good["latency_us"], 0.5)[0].as_py()) / 1000


def _compare(users: int, slower: float, predicted: Prediction, measured_ms: float) -> list[Figure]:
    error = Figure(f"{users} users: predicted p50, error", 100 * (predicted.p50_ms / measured_ms - 1), "%", _BAR)
    if not predicted.is_certain:
        width = 100 * (predicted.high_ms / predicted.low_ms - 1)
        error = Figure(f"{users} users: p50 not predicted, because its range is wide by", width, "%")
    return [
        Figure(f"{users} users: a probe took, against those around the fitted load", slower, "times as long"),
        Figure(f"{users} users: measured p50", measured_ms, "ms"),
        error,
    ]


if __name__ == "__main__":
    main()
