"""What the simulation predicts for four loads of the embedded server, compared with measurements.

Before and after each load, another load test of the same server raises the number of users slowly. Both together give a
scaling law, by the code of `shapebench plan`, which then predicts the median of the load between them. A shared machine
may be half as fast some minutes later, which no law of an earlier run can know.

One load is at the knee. Where the law is too uncertain for 15 %, the prediction says so: either the law does not
predict the levels of its own runs from each other, or a server that is faster or slower by what may be off has a median
that differs by more than 15 %. What may be off is the error of these predictions, and half of what the machine's speed
changed from the run before to the run after. The generator shares the server's cores in all load tests. The pauses of
all users are exponential, as those of constant length fall into step: of four users, each sends together with the same
other one.
"""

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from analysis.planning import simulation
from analysis.planning.balancing import Balancer
from analysis.planning.curve import Curve, curve_of
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
_FITTED_LOAD = ClosedLoop(users=32, spawn_rate_per_s=0.5, wait_s=0.5, pauses=_PAUSES, warmup_s=5, duration_s=84)
# A fifth and a half of the capacity of two cores, all of it, and more than that.
_USERS = (4, 12, 24, 40)
_HOLD_S = 40
_SIMULATED_S = 600
_FITTED_RUN = make_manifest(_FITTED_LOAD, stack="local", machine_type="e2-custom-2-4096", nodes=1)
_BAR = f"-{MOST_ERROR:.0%} .. {MOST_ERROR:.0%}".replace("%", "")


@dataclass(frozen=True)
class Prediction:
    """The median latency, and its range over what the speed of the server may be off."""

    p50_ms: float
    low_ms: float
    high_ms: float

    @property
    def is_certain(self) -> bool:
        return self.high_ms / self.p50_ms - 1 <= MOST_ERROR and 1 - self.low_ms / self.p50_ms <= MOST_ERROR


def main() -> None:
    """Measure the four loads, and the fitted load around each, and report; takes about twelve minutes."""
    start(argument_parser("simulator", __doc__), ["tensorflow", "locust", "numpy"])
    exported = export("auto", DEFAULT_CACHE)
    figures: list[Figure] = []
    with servers.embedded(Path(exported["path"]), threads=os.cpu_count() or 1) as ports:
        url = f"http://127.0.0.1:{ports['rest']}"
        after = _curve(url)
        for users in _USERS:
            load = ClosedLoop(
                users=users, spawn_rate_per_s=8, wait_s=0.5, pauses=_PAUSES, warmup_s=5, duration_s=users / 8 + _HOLD_S
            )
            before = after
            progress(f"measuring {users} users ...")
            measured_ms = _p50_ms(_rows(load, url))
            after = _curve(url)
            figures += [
                Figure(
                    f"{users} users: the machine was faster after them than before, by",
                    100 * _faster(before, after),
                    "%",
                ),
                Figure(f"{users} users: measured p50", measured_ms, "ms"),
                *_compared(users, load, (before, after), measured_ms),
            ]
    report("simulator", figures)


def _rows(load: ClosedLoop, url: str) -> pa.Table:
    return load_test(f"{load.users} users", load, url, rest_body()).rows


def _curve(url: str) -> Curve:
    """The levels of load of a load test that raises the number of users slowly."""
    progress(f"measuring the fitted load: up to {_FITTED_LOAD.users} users ...")
    with tempfile.TemporaryDirectory() as folder:
        store = ResultsStore(folder)
        run = write_run(store, _FITTED_RUN, _rows(_FITTED_LOAD, url))
        curve = curve_of(read_columns(store, run).every, replicas=1)
    assert curve is not None
    return curve


def _faster(before: Curve, after: Curve) -> float:
    """How much the throughput with all users rose, as a share."""
    return after.points[-1].rps / before.points[-1].rps - 1


def _both(one: Curve, other: Curve) -> Curve:
    points = sorted((*one.points, *other.points), key=lambda point: point.in_system)
    return Curve(tuple(points), one.unqueued + other.unqueued, max(one.fewest_at_once, other.fewest_at_once))


def _predicted(model: Model, load: ClosedLoop, off: float) -> Prediction:
    def p50_ms(slower: float) -> float:
        service = replace(model.service, alone_ms=model.service.alone_ms * slower)
        fleet = simulation.Fleet(1, service, Balancer("random"))
        closed = simulation.ClosedLoop(load.users, load.wait_s, _SIMULATED_S, pauses=load.pauses)
        return simulation.simulate(fleet, closed).steady.quantile_ms(0.5)

    return Prediction(p50_ms(1), p50_ms(1 - off), p50_ms(1 + off))


def _p50_ms(rows: pa.Table) -> float:
    good = rows.filter(pc.and_(pc.equal(rows["phase"], HOLD), rows["ok"]))
    return float(pc.quantile(good["latency_us"], 0.5)[0].as_py()) / 1000


def _compared(users: int, load: ClosedLoop, around: tuple[Curve, Curve], measured_ms: float) -> list[Figure]:
    """`around` are the fitted loads before and after."""
    try:
        model = models_of(_FITTED_RUN, _both(*around))[0]
    except NoModelError as error:
        progress(f"the law predicts nothing: {error}")
        return [Figure(f"{users} users: the law predicts nothing, not even its own levels to", 100 * MOST_ERROR, "%")]
    law = model.law
    name = f"{users} users: law of {law.alone_ms:.1f} ms alone, {law.at_once} at once, contention {law.contention:.2f}"
    predicted = _predicted(model, load, model.error + abs(_faster(*around)) / 2)
    found = Figure(f"{users} users: predicted p50, error", 100 * (predicted.p50_ms / measured_ms - 1), "%", _BAR)
    if not predicted.is_certain:
        width = 100 * (predicted.high_ms / predicted.low_ms - 1)
        found = Figure(f"{users} users: p50 not predicted, because its range is wide by", width, "%")
    return [Figure(f"{name}; predicts its own levels to", 100 * model.error, "%"), found]


if __name__ == "__main__":
    main()
