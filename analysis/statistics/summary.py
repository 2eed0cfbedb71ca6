"""The figures of one run, each declared once. But for the capacity they are exact: not binned and not rounded."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from analysis.formatting import count, money, number, percent, predictions_text
from analysis.interval import Interval
from analysis.pricing.cost import HOURS_A_DAY, HOURS_A_MONTH, times
from analysis.results.run.columns import RunRows, read_columns
from analysis.results.run.disturbance import unrecorded_disturbance
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from analysis.statistics.figures import Figure, RunData, Shown, declared

_UNNAMED = "unnamed"
_FIRST = Shown.TABLES | Shown.RUN
_MONEY = Shown.REPORT | Shown.OUTPUT
_Known = float | None
_COST = Figure("USD/million good", "", money, _FIRST, "USD per million good predictions")
_GOODPUT = Figure(
    "good",
    "1/s",
    number,
    Shown.ALL,
    "good predictions per second",
    estimate=lambda run: run.goodput_rps,
    label_of_requests="good requests per second",
)
# Costs of predictions, and how a sentence names that of requests.
_OF_REQUESTS = {
    "usd_per_million_good": "a million good requests cost {} USD",
    "usd_per_million": "a million requests cost {} USD at capacity",
}


def _latency(short: str, quantile: float, shown: Shown = Shown.TABLES, label: str = "") -> Figure:
    def formula(run: RunData) -> float | None:
        return run.response_ms(quantile)

    return Figure(short, "ms", number, shown, label, formula, lambda run: run.quantiles_ms.get(quantile), quantile)


def _delay(short: str, quantile: float) -> Figure:
    return Figure(short, "ms", number, formula=lambda run: run.delay_ms(quantile))


def _usd(short: str, hours: int, show: Callable[[float | None], str], shown: Shown) -> Figure:
    return Figure(short, "", show, shown, formula=lambda run: times(run.manifest.cost.hourly, hours))


@dataclass(frozen=True)
class RunSummary:
    """Figures of one run. What could not be measured or priced is None, never 0.

    All are of one phase: the hold, or the step at the capacity that a search found. `requests`, `good` and `errors`
    count what was due in it. Latencies are of the good answers among them, from when each was due: a refusal is quick
    and a time-out is the client's choice, so both count as errors and in no percentile. In a closed loop a request is
    due when it is sent. Of an open one, `offered_rps` is the rate that was due and `delay_…_ms` how late it was sent.
    `duration_s` is from the phase's first send to its last; `throughput_rps` (answers and errors) and `goodput_rps`
    (good answers) count what came back within it from any phase, so that neither edge is counted twice and one
    straggler does not stretch it. `usd_24h` is a month as the published experiment counts it, `usd_730h` a whole one.
    `verified`: every file is the one that the manifest names by its digest.

    A new figure is one field here: tables, exports and outputs show it where its declaration says.
    """

    run_id: str
    stack: str
    valid: bool
    verified: bool
    reasons: tuple[str, ...]
    rows_by_phase: dict[str, int]
    usd_per_million_good: Annotated[_Known, _COST]
    goodput_rps: Annotated[_Known, _GOODPUT]
    throughput_rps: Annotated[_Known, Figure("answers", "1/s", number, Shown.OUTPUT)]
    error_rate: Annotated[_Known, Figure("errors", "%", percent, _FIRST)]
    requests: Annotated[int, Figure("due", "", count, _FIRST, "requests due")]
    good: Annotated[int, Figure("good", "", count)]
    errors: dict[str, int]
    duration_s: Annotated[_Known, Figure("duration", "s", number)]
    offered_rps: Annotated[_Known, Figure("offered", "1/s", number)]
    delay_p50_ms: Annotated[_Known, _delay("median delay", 0.5)]
    delay_p99_ms: Annotated[_Known, _delay("p99 delay", 0.99)]
    delay_max_ms: Annotated[_Known, _delay("longest delay", 1.0)]
    p50_ms: Annotated[_Known, _latency("p50", 0.5, _FIRST | Shown.REPEATS, "median latency, ms")]
    p90_ms: Annotated[_Known, _latency("p90", 0.9)]
    p95_ms: Annotated[_Known, _latency("p95", 0.95)]
    p99_ms: Annotated[_Known, _latency("p99", 0.99, Shown.ALL, "p99 latency, ms")]
    max_ms: Annotated[_Known, Figure("max", "ms", number, Shown.TABLES, formula=lambda run: run.response_ms(1.0))]
    capacity_rps: Annotated[_Known, Figure("capacity", "1/s", number, Shown.OUTPUT | Shown.RUNS)]
    capacity_low_rps: Annotated[_Known, Figure("capacity, low end", "1/s", number)]
    capacity_high_rps: Annotated[_Known, Figure("capacity, high end", "1/s", number)]
    usd_per_million: Annotated[_Known, Figure("USD/million at capacity", "", money)]
    usd_hourly: Annotated[_Known, _usd("USD/h", 1, number, Shown.TABLES)]
    usd_24h: Annotated[_Known, _usd("USD/24 h", HOURS_A_DAY, money, _MONEY)]
    usd_730h: Annotated[_Known, _usd("USD/730 h", HOURS_A_MONTH, money, _MONEY)]

    @property
    def capacity(self) -> Interval[float | None] | None:
        """The capacity that a search found, with its interval, or its bounds; None without any."""
        if self.capacity_low_rps is None:
            return None
        low, high = self.capacity_low_rps, math.inf if self.capacity_high_rps is None else self.capacity_high_rps
        return Interval(self.capacity_rps, low, high)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def figures(self, shown: Shown) -> dict[str, Any]:
        """The values of the figures that are shown there, by name, in order."""
        return {figure.name: getattr(self, figure.name) for figure in figures(shown)}


FIGURES = {figure.name: figure for figure in declared(RunSummary)}


def figures(shown: Shown) -> tuple[Figure, ...]:
    return tuple(figure for figure in FIGURES.values() if shown in figure.shown)


def quantiles(shown: Shown) -> tuple[float, ...]:
    """The quantiles of the latencies that are shown there."""
    return tuple(figure.quantile for figure in figures(shown) if figure.quantile is not None)


def summarise(store: ResultsStore, manifest: Manifest) -> RunSummary:
    """Read the run's rows and count; rows that are missing or cannot be read make the run invalid and say so."""
    return summary_of(manifest, read_columns(store, manifest))


def summary_of(manifest: Manifest, rows: RunRows) -> RunSummary:
    measured, missing = RunData(manifest, rows), [*rows.missing, *unrecorded_disturbance(manifest, rows)]
    return RunSummary(
        run_id=manifest.run_id,
        stack=manifest.stack,
        valid=manifest.validity.verdict == "valid" and not missing,
        verified=manifest.files is not None and not rows.missing,
        reasons=(*manifest.validity.reasons, *missing),
        rows_by_phase=_rows_by_phase(rows),
        errors=_errors(rows),
        **{name: figure.of(measured) for name, figure in FIGURES.items()},
    )


def of_requests(manifest: Manifest, summary: RunSummary) -> dict[str, float | None]:
    """What JSON says of a run's requests; empty where a request is one prediction."""
    instances = manifest.serving.model.instances
    if instances == 1:
        return {}
    costs = {f"{name}_requests": times(getattr(summary, name), instances) for name in _OF_REQUESTS}
    return {"predictions_per_request": instances, **costs}


def requests_sentence(
    manifest: Manifest, summary: RunSummary, intervals: Mapping[str, Interval[float | None]] | None = None
) -> str:
    """The same for people, with the intervals that are known."""
    instances, intervals = manifest.serving.model.instances, intervals or {}
    if instances == 1:
        return ""
    costs = {
        name: interval.times(instances).text(money) if (interval := intervals.get(name)) else money(value * instances)
        for name in _OF_REQUESTS
        if (value := getattr(summary, name)) is not None
    }
    said = (_OF_REQUESTS[name].format(cost) for name, cost in costs.items())
    return f"{'; '.join((predictions_text(instances), *said))}."


def _rows_by_phase(rows: RunRows) -> dict[str, int]:
    """In the order in which the phases began."""
    every = rows.every
    phases = every.phase.counts()
    began_us = {phase: every.start_us[every.phase.equal(phase)].min() for phase in phases}
    return {phase: phases[phase] for phase in sorted(phases, key=began_us.__getitem__)}


def _errors(rows: RunRows) -> dict[str, int]:
    """By class of error, the most frequent first."""
    failed = rows.counted.where(~rows.counted.ok)
    errors = failed.error.counts()
    if unnamed := failed.ok.size - sum(errors.values()):
        errors[_UNNAMED] = errors.get(_UNNAMED, 0) + unnamed
    return dict(sorted(errors.items(), key=lambda error_count: (-error_count[1], error_count[0])))
