"""What the simulation predicts for four loads of the embedded server, compared with measurements.

Each load is measured in turns with another load test of the same server, which raises the number of users. These fitted
loads together give a scaling law, by the code of `shapebench plan`, which then predicts the median of the load.

A shared machine may be a third slower some seconds later, which no law of another run can know. So turns are short, and
the machine's speed is measured all the time. Within a load test the server is as much slower as the machine; from one
load test to another it follows the machine less. The law is fitted to the rows as they would be at the mean speed
during the load.

What is left is how much the server differs from one fitted load to the next, which shows how far the prediction may be
off. Where the median of a server that is faster or slower by that differs by more than 15 %, nothing is predicted.
The generator shares the server's cores in all load tests. The pauses of all users are exponential, as those of constant
length fall into step: of four users, each sends together with the same other one.
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

from analysis.planning.replica_model.curve import Curve, curve_of, merged
from analysis.planning.replica_model.model import MOST_ERROR, NoModelError, ReplicaModel, models_of
from analysis.planning.simulation.balancing import Balancer
from analysis.planning.simulation.events import Fleet
from analysis.results.run.columns import read_columns
from analysis.results.storage.store import ResultsStore
from bench.figures import BUILD, Figure, argument_parser, progress, report, start
from bench.generators.our_generator import load_test, photograph_body
from bench.servers import processes as servers
from bench.servers.machine_speed import MachineSpeed, machine_speed
from bench.stores import closed_loops
from bench.stores.synthetic import make_manifest, write_run
from loadtest.generator.phases import HOLD
from serving.export.exporter import DEFAULT_CACHE, export
from stacks.load.load_profiles import ClosedLoop

_PAUSES: Final = "exponential"
# Up to 32 users, who send more than two cores can answer, and some time with all of them.
_FITTED_LOAD = ClosedLoop(users=32, spawn_rate_per_s=1.28, wait_s=0.5, pauses=_PAUSES, warmup_s=5, duration_s=32)
# A fifth and a half of the capacity of two cores, all of it, and more than that.
_USERS = (4, 12, 24, 40)
SMALLEST = ("--users", "4", "--turns", "1", "--hold", "2", "--fitted", "8")
# The median of few users lies between the latencies of requests alone and those of two at once, where there are few. In
# 40 s its sampling error is 3.6 % (4 and 12 users, simulated), in 160 s 1.5 and 2 %. So all turns together are long.
_TURNS, _HOLD_S = 4, 25
# Where the machine is slower by a factor in one load test than in another, the server is slower by this power of it: a
# regression of ten load tests, with a standard error of 0.2 (docs/adr/0055).
_FOLLOWS = 0.5
# 95 % of a normal distribution are within so many standard errors.
_STANDARD_ERRORS = 2
_SIMULATED_S = 600
_FITTED_RUN = make_manifest(_FITTED_LOAD, stack="local", machine_type="e2-custom-2-4096", nodes=1)
_BAR = f"-{MOST_ERROR:.0%} .. {MOST_ERROR:.0%}".replace("%", "")


@dataclass(frozen=True)
class Measured:
    """How often each load is measured, and for how long."""

    turns: int
    hold_s: float
    fitted_s: float


@dataclass(frozen=True)
class Prediction:
    """The median latency, and its range over what the speed of the server may be off."""

    p50_ms: float
    low_ms: float
    high_ms: float

    @property
    def is_certain(self) -> bool:
        return self.high_ms / self.p50_ms - 1 <= MOST_ERROR and 1 - self.low_ms / self.p50_ms <= MOST_ERROR


@dataclass(frozen=True)
class Turns:
    """The rows of a load, of its hold phases only, and of the fitted loads before, between and after them."""

    load: ClosedLoop
    holds: tuple[pa.Table, ...]
    fitted: tuple[pa.Table, ...]


@dataclass(frozen=True)
class Fitted:
    """What the fitted loads of `turns` tell, at the speed of the machine during its holds; no `model` where none fits.

    In each fitted load the server took `took` times as long as by the law.
    """

    turns: Turns
    machine_slower: float
    model: ReplicaModel | None
    took: tuple[float, ...]


def main() -> None:
    """Measure the four loads in turns with the fitted load, and report; takes about 21 minutes."""
    parser = argument_parser("simulator", __doc__)
    parser.add_argument("--users", nargs="*", type=int, default=_USERS, help="the loads")
    parser.add_argument("--turns", type=int, default=_TURNS, help="of each load (default: %(default)s)")
    parser.add_argument("--hold", type=float, default=_HOLD_S, help="seconds of a turn (default: %(default)s)")
    parser.add_argument("--fitted", type=float, default=_FITTED_LOAD.duration_s, help="seconds of the fitted load")
    arguments = start(parser, ["tensorflow", "locust", "numpy"])
    measured = Measured(arguments.turns, arguments.hold, arguments.fitted)
    exported = export("auto", DEFAULT_CACHE)
    model, speeds = Path(exported["path"]), BUILD / "machine-speed.txt"
    with servers.embedded(model, threads=os.cpu_count() or 1) as ports, machine_speed(speeds) as probe:
        url = f"http://127.0.0.1:{ports['rest']}"
        last, all_turns = _fitted_rows(url, measured), []
        for users in arguments.users:
            all_turns.append(_turns(users, url, last, measured))
            last = all_turns[-1].fitted[-1]
        speed = probe.speed()
    fitted = [_fitted(turns, speed) for turns in all_turns]
    off = _differs([each.took for each in fitted])
    report("simulator", [figure for each in fitted for figure in _compared(each, off)])


def _turns(users: int, url: str, last: pa.Table, measured: Measured) -> Turns:
    """`last` is of the fitted load before."""
    load = ClosedLoop(
        users=users, spawn_rate_per_s=8, wait_s=0.5, pauses=_PAUSES, warmup_s=5, duration_s=users / 8 + measured.hold_s
    )
    holds, fitted = [], [last]
    for turn in range(1, measured.turns + 1):
        progress(f"measuring {users} users, turn {turn} of {measured.turns} ...")
        rows = _rows(load, url)
        holds.append(rows.filter(pc.equal(rows["phase"], HOLD)))
        fitted.append(_fitted_rows(url, measured))
    return Turns(load, tuple(holds), tuple(fitted))


def _rows(load: ClosedLoop, url: str) -> pa.Table:
    return load_test(f"{load.users} users", load, url, photograph_body("rest")).rows


def _fitted_rows(url: str, measured: Measured) -> pa.Table:
    """A load test that raises the number of users."""
    progress(f"measuring the fitted load: up to {_FITTED_LOAD.users} users ...")
    faster = _FITTED_LOAD.duration_s / measured.fitted_s
    changed = {"duration_s": measured.fitted_s, "spawn_rate_per_s": _FITTED_LOAD.spawn_rate_per_s * faster}
    return _rows(_FITTED_LOAD.model_copy(update=changed), url)


def _curve(rows: pa.Table) -> Curve:
    with tempfile.TemporaryDirectory() as folder:
        store = ResultsStore(folder)
        curve = curve_of(read_columns(store, write_run(store, _FITTED_RUN, rows)).every, replicas=1)
    assert curve is not None
    return curve


def _fitted(turns: Turns, speed: MachineSpeed) -> Fitted:
    """The law at the mean speed of the machine during the holds."""
    during_ms = float(np.mean([speed.took_during_ms(hold) for hold in turns.holds]))
    each_ms = [speed.took_during_ms(rows) for rows in turns.fitted]
    machine_slower = during_ms / float(np.mean(each_ms))
    curves = [
        _curve(speed.at_the_same(rows, took_ms * (during_ms / took_ms) ** _FOLLOWS))
        for rows, took_ms in zip(turns.fitted, each_ms, strict=True)
    ]
    try:
        model = models_of(_FITTED_RUN, merged(curves))[0]
    except NoModelError as error:
        progress(f"the law of {turns.load.users} users predicts nothing: {error}")
        return Fitted(turns, machine_slower, None, ())
    return Fitted(turns, machine_slower, model, tuple(_took(model, curve) for curve in curves))


def _took(model: ReplicaModel, curve: Curve) -> float:
    """How much longer than by the law the server took in one load test."""
    ratios = [model.law.rps(point.present) / point.rps for point in curve.points]
    return float(np.average(ratios, weights=[point.requests for point in curve.points]))


def _differs(took: Sequence[Sequence[float]]) -> float:
    """The standard deviation from one load test to another, within each of several series."""
    variances = [(np.var(np.log(series), ddof=1), len(series) - 1) for series in took if len(series) > 1]
    if not variances:
        return 0.0
    return math.sqrt(np.average([value for value, _ in variances], weights=[freedom for _, freedom in variances]))


def _predicted(model: ReplicaModel, load: ClosedLoop, off: float) -> Prediction:
    """The speed of the server may be `off` by this share."""

    def p50_ms(factor: float) -> float:
        service = replace(model.service, alone_ms=model.service.alone_ms * factor)
        fleet = Fleet(1, service, Balancer("random"))
        closed = closed_loops.ClosedLoop(load.users, load.wait_s, _SIMULATED_S, pauses=load.pauses)
        return closed_loops.quantile_ms(closed_loops.simulate_closed(fleet, closed).steady, 0.5)

    return Prediction(p50_ms(1), p50_ms(1 - off), p50_ms(1 + off))


def _p50_ms(rows: pa.Table) -> float:
    return float(pc.quantile(rows.filter(rows["ok"])["latency_us"], 0.5)[0].as_py()) / 1000


def _compared(fitted: Fitted, differs: float) -> list[Figure]:
    """`differs` is the standard deviation of the server from one load test to another."""
    turns, model = fitted.turns, fitted.model
    users, measured_ms = f"{turns.load.users} users", _p50_ms(pa.concat_tables(turns.holds))
    figures = [
        Figure(f"{users}: measured p50", measured_ms, "ms"),
        Figure(f"{users}: machine slower than in the fitted loads, by", 100 * (fitted.machine_slower - 1), "%"),
    ]
    if model is None:
        return [
            *figures,
            Figure(f"{users}: the law predicts nothing, not even its own levels to", 100 * MOST_ERROR, "%"),
        ]
    law, among = model.law, model.service.begun_among
    name = f"{law.alone_ms:.1f} ms, {law.at_once} at once, begun among {among}, contention {law.contention:.2f}"
    off = _STANDARD_ERRORS * differs * math.sqrt(1 / len(turns.holds) + 1 / len(turns.fitted))
    predicted = _predicted(model, turns.load, off)
    found = Figure(f"{users}: predicted p50, error", 100 * (predicted.p50_ms / measured_ms - 1), "%", _BAR)
    if not predicted.is_certain:
        width = 100 * (predicted.high_ms / predicted.low_ms - 1)
        found = Figure(f"{users}: p50 not predicted, because its range is wide by", width, "%")
    return [
        *figures,
        Figure(f"{users}: law of {name}; predicts its own levels to", 100 * model.error, "%"),
        Figure(f"{users}: server slower or faster than that, by up to", 100 * off, "%"),
        found,
    ]


if __name__ == "__main__":
    main()
