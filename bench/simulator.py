"""What the simulation predicts for four loads of the embedded server, compared with measurements.

Before and after each load, another load test of the same server raises the number of users slowly. Both together give a
scaling law, by the code of `shapebench plan`, which then predicts the median of the load between them.

A shared machine may be a third slower some seconds later, which no law of another run can know. So its speed is
measured all the time. Within a load test the server is as much slower as the machine; from one load test to another it
follows the machine less. The law is fitted to the rows as they would be at the mean speed during the load.

Where the law is too uncertain for 15 %, the prediction says so: either the law does not predict the levels of its own
runs from each other, or a server that is faster or slower by what may be off has a median that differs by more than
15 %. The generator shares the server's cores in all load tests. The pauses of all users are exponential, as those of
constant length fall into step: of four users, each sends together with the same other one.
"""

import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.planning import simulation
from analysis.planning.balancing import Balancer
from analysis.planning.curve import Curve, curve_of, merged
from analysis.planning.model import MOST_ERROR, Model, NoModelError, models_of
from analysis.results.columns import read_columns
from analysis.results.store import ResultsStore
from bench.figures import BUILD, Figure, argument_parser, progress, report, start
from bench.generators.our_generator import load_test
from bench.servers import processes as servers
from bench.servers.machine_speed import MachineSpeed, machine_speed
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
# A hold phase lasts as long as so many levels of the fitted load.
_LEVELS_IN_HOLD = 7
# Where the machine is slower by a factor in one load test than in another, the server is slower by this power of it,
# with the standard error: a regression of ten load tests, those of runs 1 and 2 in docs/planning.md.
_FOLLOWS = 0.5
_FOLLOWS_ERROR = 0.2
# 95 % of a normal distribution are within so many standard errors.
_STANDARD_ERRORS = 2
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
    model, speeds = Path(exported["path"]), BUILD / "machine-speed.txt"
    with servers.embedded(model, threads=os.cpu_count() or 1) as ports, machine_speed(speeds) as probe:
        url = f"http://127.0.0.1:{ports['rest']}"
        after = _fitted_rows(url)
        for users in _USERS:
            load = ClosedLoop(
                users=users, spawn_rate_per_s=8, wait_s=0.5, pauses=_PAUSES, warmup_s=5, duration_s=users / 8 + _HOLD_S
            )
            before = after
            progress(f"measuring {users} users ...")
            rows = _rows(load, url)
            after = _fitted_rows(url)
            figures += _compared(load, (before, after), rows.filter(pc.equal(rows["phase"], HOLD)), probe.speed())
    report("simulator", figures)


def _rows(load: ClosedLoop, url: str) -> pa.Table:
    return load_test(f"{load.users} users", load, url, rest_body()).rows


def _fitted_rows(url: str) -> pa.Table:
    """A load test that raises the number of users slowly."""
    progress(f"measuring the fitted load: up to {_FITTED_LOAD.users} users ...")
    return _rows(_FITTED_LOAD, url)


def _curve(rows: pa.Table) -> Curve:
    with tempfile.TemporaryDirectory() as folder:
        store = ResultsStore(folder)
        curve = curve_of(read_columns(store, write_run(store, _FITTED_RUN, rows)).every, replicas=1)
    assert curve is not None
    return curve


def _predicted(model: Model, load: ClosedLoop, slower: Sequence[float]) -> Prediction:
    """By the factors of `slower`, the machine was slower during the load than during each fitted load."""
    # The errors of levels that follow each other hardly correlate: by 0.16 in ten fitted runs. So both the law and the
    # load are off by the mean of as many of them.
    levels_off = model.error * math.sqrt(1 / len(model.points) + 1 / _LEVELS_IN_HOLD)
    off = _STANDARD_ERRORS * math.hypot(levels_off, _FOLLOWS_ERROR * np.log(slower).mean())

    def p50_ms(factor: float) -> float:
        service = replace(model.service, alone_ms=model.service.alone_ms * factor)
        fleet = simulation.Fleet(1, service, Balancer("random"))
        closed = simulation.ClosedLoop(load.users, load.wait_s, _SIMULATED_S, pauses=load.pauses)
        return simulation.simulate(fleet, closed).steady.quantile_ms(0.5)

    return Prediction(p50_ms(1), p50_ms(1 - off), p50_ms(1 + off))


def _p50_ms(rows: pa.Table) -> float:
    return float(pc.quantile(rows.filter(rows["ok"])["latency_us"], 0.5)[0].as_py()) / 1000


def _compared(load: ClosedLoop, around: tuple[pa.Table, pa.Table], hold: pa.Table, speed: MachineSpeed) -> list[Figure]:
    """`around` are the fitted loads before and after."""
    users, measured_ms, took_ms = f"{load.users} users", _p50_ms(hold), speed.took_during_ms(hold)
    around_ms = [speed.took_during_ms(rows) for rows in around]
    slower = [took_ms / each_ms for each_ms in around_ms]
    figures = [
        Figure(f"{users}: measured p50", measured_ms, "ms"),
        Figure(f"{users}: machine slower than in the fitted load before, by", 100 * (slower[0] - 1), "%"),
        Figure(f"{users}: machine slower than in the fitted load after, by", 100 * (slower[1] - 1), "%"),
    ]
    try:
        curves = [
            _curve(speed.at_the_same(rows, each_ms * ratio**_FOLLOWS))
            for rows, each_ms, ratio in zip(around, around_ms, slower, strict=True)
        ]
        model = models_of(_FITTED_RUN, merged(curves))[0]
    except NoModelError as error:
        progress(f"the law predicts nothing: {error}")
        return [
            *figures,
            Figure(f"{users}: the law predicts nothing, not even its own levels to", 100 * MOST_ERROR, "%"),
        ]
    law, among = model.law, model.service.begun_among
    name = f"{law.alone_ms:.1f} ms, {law.at_once} at once, begun among {among}, contention {law.contention:.2f}"
    predicted = _predicted(model, load, slower)
    found = Figure(f"{users}: predicted p50, error", 100 * (predicted.p50_ms / measured_ms - 1), "%", _BAR)
    if not predicted.is_certain:
        width = 100 * (predicted.high_ms / predicted.low_ms - 1)
        found = Figure(f"{users}: p50 not predicted, because its range is wide by", width, "%")
    return [*figures, Figure(f"{users}: law of {name}; predicts its own levels to", 100 * model.error, "%"), found]


if __name__ == "__main__":
    main()
