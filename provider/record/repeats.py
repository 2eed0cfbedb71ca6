"""The repeats of one update: one run after another, each stored when it is finished."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from analysis.formatting import number
from analysis.objective import Objective
from analysis.results.schema.manifest import Repeat, SearchedCapacity
from analysis.results.storage.store import new_run_id
from provider.resource import Operation, Props, ResourceError


@dataclass(frozen=True)
class PlannedRun:
    """One run of an update: its id, and its place among the repeats, None where it is the only one."""

    run_id: str
    repeat: Repeat | None = None

    @property
    def index(self) -> int:
        """Its number among the repeats, from 1 on."""
        return self.repeat.index if self.repeat else 1


@dataclass(frozen=True)
class FinishedRun:
    """A run in the results store, with its figures for `pulumi stack output headline`.

    Unknown figures are left out, because Pulumi has no null there. `capacity` is that of a search, `instances` their
    mean number in a request.
    """

    run_id: str
    headline: Props
    capacity: SearchedCapacity | None = None
    instances: float = 1.0

    @property
    def misses_objective(self) -> bool:
        """Whether no rate met the objective that was searched for."""
        return self.capacity is not None and self.capacity.rps.value is None

    @property
    def summary(self) -> str:
        """Whether the objective was met, and the figures, in one line."""
        if self.capacity is None:
            return f"{self._figures}; objective not measured (no capacity search)"
        objective, rps = Objective.of_search(self.capacity).text, self.capacity.rps
        if rps.value is None:
            return f"✗ {objective}: not met at {number(rps.high)} requests/s, nor at a higher rate; {self._figures}"
        return (
            f"✓ {objective}: met up to {number(rps.value)} requests/s ({number(rps.low)} to {number(rps.high)});"
            f" {self._figures}"
        )

    @property
    def _figures(self) -> str:
        figures = self.headline
        if "p99_ms" not in figures:
            return "no request was answered correctly in the counted phase"
        latencies = (
            f"p50 {figures['p50_ms']:.0f} ms, p99 {figures['p99_ms']:.0f} ms over {figures['requests']} requests"
        )
        if "goodput_rps" not in figures:
            return f"{latencies}, too few for a rate"
        usd = figures.get("usd_per_million_good")
        cost = "no price is known" if usd is None else f"{usd:.2f} USD per million good predictions"
        if self.instances == 1:
            return f"{figures['goodput_rps']:.1f} good predictions/s, {latencies}, {cost}"
        of_requests = "" if usd is None else f" ({usd * self.instances:.2f} USD per million good requests)"
        rate = f"{figures['goodput_rps']:.1f} good requests/s of {self.instances:.4g} predictions each"
        return f"{rate}, {latencies}, {cost}{of_requests}"


RunOnce = Callable[[PlannedRun, Operation], FinishedRun]


def run_repeats(count: int, operation: Operation, run_once: RunOnce) -> list[FinishedRun]:
    """Run the test `count` times; returns the runs in their order.

    Raises ResourceError where one fails or the update is cancelled; the message names the runs before it, which are
    stored.
    """
    if count == 1:
        return [run_once(PlannedRun(new_run_id()), operation)]
    group = new_run_id()
    finished: list[FinishedRun] = []
    for index in range(1, count + 1):
        if finished and operation.cancelled.is_set():
            raise ResourceError(f"the load test was cancelled before run {index} of {count}{_stored(finished)}")
        planned = PlannedRun(new_run_id() if finished else group, Repeat(group=group, index=index, of=count))
        try:
            finished.append(
                run_once(planned, _prefixed(operation, f"run {index} of {count}: ", f"run {index}/{count}, "))
            )
        except ResourceError as error:
            raise ResourceError(f"run {index} of {count}{_stored(finished)}: {error}") from error
    return finished


def summary_of(runs: Sequence[FinishedRun], shown: FinishedRun) -> str:
    """The summary of all runs of an update, of which `shown` is the median."""
    if len(runs) == 1:
        return shown.summary
    missed = sum(run.misses_objective for run in runs)
    others = f" ({missed} ✗)" if missed else ""
    return f"median of {len(runs)} runs{others}: {shown.summary}"


def median_run(runs: Sequence[FinishedRun], *, rate_is_fixed: bool) -> FinishedRun:
    """The median run by goodput; where the schedule decides the goodput, by p99.

    Of an even number, the worse of the two in the middle. A run without the figure counts as the worst.
    """
    figure, sign = ("p99_ms", -1.0) if rate_is_fixed else ("goodput_rps", 1.0)

    def quality(run: FinishedRun) -> float:
        value = run.headline.get(figure)
        return float("-inf") if value is None else sign * value

    return sorted(runs, key=quality)[(len(runs) - 1) // 2]


def _prefixed(operation: Operation, prefix: str, short: str) -> Operation:
    return replace(
        operation,
        info=lambda text: operation.info(prefix + text),
        status=lambda text: operation.status(short + text),
    )


def _stored(finished: Sequence[FinishedRun]) -> str:
    if not finished:
        return ""
    return f" (valid and stored before it: {', '.join(run.run_id for run in finished)})"
