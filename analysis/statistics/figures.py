"""What a figure of a run declares: headings, unit, format, formula, direction, and where it is shown."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Flag, auto
from functools import cached_property
from typing import Any, get_type_hints

import numpy as np

from analysis.capacity.evidence import Evidence, evidence_of
from analysis.interval import Interval
from analysis.objective import Objective
from analysis.results.run.columns import Booleans, Integers, RunRows, quantiles_of
from analysis.results.schema.manifest import Manifest
from analysis.results.schema.request_rows import NOT_SENT
from analysis.statistics.estimate import price_of
from analysis.statistics.within import RunFigures


class Shown(Flag):
    """Where a figure is shown. All figures are in the JSON of `shapebench runs` and in the export."""

    NOWHERE = 0
    RUNS = auto()  # the table of `shapebench runs`
    REPORT = auto()  # the report's table of runs
    RUN = auto()  # the head of a run's part of the report
    OUTPUT = auto()  # the stack's output `headline`
    REPEATS = auto()  # how repeats of a run differ
    TABLES = RUNS | REPORT | OUTPUT
    ALL = TABLES | RUN | REPEATS


class RunData:
    """A run as the formulas read it. What several of them need is computed once."""

    def __init__(self, manifest: Manifest, rows: RunRows) -> None:
        self.manifest = manifest
        self.rows = rows

    @property
    def requests(self) -> int:
        """How many requests were due in the counted phase."""
        return int(self.rows.counted.ok.size)

    @property
    def good(self) -> int:
        return int(np.count_nonzero(self.rows.counted.ok))

    @property
    def error_rate(self) -> float | None:
        """The share of requests without a good answer."""
        return (self.requests - self.good) / self.requests if self.requests else None

    def response_ms(self, quantile: float) -> float | None:
        """A quantile of the latencies of good answers, from when each was due."""
        return _quantile_ms(self.response_us, quantile)

    def delay_ms(self, quantile: float) -> float | None:
        """How late requests of a schedule were sent; None in a closed loop, where each is due when it is sent."""
        return _quantile_ms(self.delay_us, quantile)

    @property
    def offered_rps(self) -> float | None:
        """The rate at which requests were due; None in a closed loop."""
        times_us = self.rows.counted.intended_start_us
        if self._is_closed or not times_us.size or not (span_us := int(times_us.max() - times_us.min())):
            return None
        return (times_us.size - 1) / span_us * 1e6

    @property
    def duration_s(self) -> float | None:
        """From the first send of the counted phase to the last."""
        return None if self._span_us is None else (self._span_us[1] - self._span_us[0]) / 1e6

    @property
    def throughput_rps(self) -> float | None:
        """Answers and errors per second; a request that was not sent is neither."""
        return self._rate(~self.rows.every.error.equal(NOT_SENT))

    @property
    def goodput_rps(self) -> float | None:
        return self._rate(self.rows.every.ok)

    @property
    def usd_per_million_good(self) -> float | None:
        """The hourly price divided by the good predictions of an hour, in millions."""
        price, goodput_rps = price_of(self.manifest), self.goodput_rps
        return None if price is None or not goodput_rps else price.usd_per_million_at(goodput_rps)

    @cached_property
    def capacity(self) -> Evidence | None:
        """What a capacity search says of the capacity, at the objective that it searched for.

        From the rows, like everything that is said of a run: what the manifest has is what the version that wrote it
        estimated.
        """
        if self.manifest.capacity is None:
            return None
        found = evidence_of(self.manifest, self.rows, Objective.of_search(self.manifest.capacity))
        return found if isinstance(found, Evidence) else None

    @property
    def capacity_rps(self) -> float | None:
        return self.capacity.rps.value if self.capacity else None

    @property
    def capacity_low_rps(self) -> float | None:
        return self.capacity.rps.low if self.capacity else None

    @property
    def capacity_high_rps(self) -> float | None:
        """None without an upper bound."""
        return self.capacity.rps.high if self.capacity and math.isfinite(self.capacity.rps.high) else None

    @property
    def usd_per_million(self) -> float | None:
        """The hourly price divided by the predictions of an hour at the capacity, in millions."""
        price, rps = price_of(self.manifest), self.capacity_rps
        return None if price is None or not rps else price.usd_per_million_at(rps)

    @property
    def _is_closed(self) -> bool:
        return self.manifest.load.mode == "closed"

    @cached_property
    def _span_us(self) -> tuple[int, int] | None:
        start_us = self.rows.counted.start_us
        if not start_us.size or (first_us := int(start_us.min())) == (last_us := int(start_us.max())):
            return None
        return first_us, last_us

    def _rate(self, counted: Booleans) -> float | None:
        """Those of these rows that came back within the counted phase, whichever phase sent them, per second."""
        if self._span_us is None or self.duration_s is None:
            return None
        first_us, last_us = self._span_us
        end_us = self.rows.every.end_us
        return int(np.count_nonzero((end_us > first_us) & (end_us <= last_us) & counted)) / self.duration_s

    @cached_property
    def response_us(self) -> Integers:
        """The latencies of the good answers of the counted phase, ascending."""
        counted = self.rows.counted
        return np.sort(counted.response_us[counted.ok])

    @cached_property
    def delay_us(self) -> Integers:
        """The delays of the requests that were sent, ascending; empty in a closed loop."""
        counted = self.rows.counted
        if self._is_closed:
            return np.zeros(0, dtype=np.int64)
        return np.sort((counted.start_us - counted.intended_start_us)[~counted.error.equal(NOT_SENT)])


@dataclass(frozen=True)
class Figure:
    """One figure of a run, as the annotation of a field of `RunSummary`.

    `short` is its heading under a heading with the unit, `title` its heading with the unit, `label` its name in full,
    `label_of_requests` that of a run whose requests have several instances.
    `show` formats a value; None is shown, too. `formula` is by default the property of `RunData` of the same name.
    `estimate` finds the figure with its interval in those of a run. `quantile` is that of a latency which has one.
    """

    short: str
    unit: str
    show: Callable[[Any], str]
    shown: Shown = Shown.NOWHERE
    label: str = ""
    formula: Callable[[RunData], Any] | None = None
    estimate: Callable[[RunFigures], Interval[float] | None] = lambda _: None
    quantile: float | None = None
    name: str = ""
    label_of_requests: str = ""

    @property
    def title(self) -> str:
        """The heading of a column by itself, such as `p99, ms`."""
        return f"{self.short}, {self.unit}" if self.unit else self.short

    def label_of(self, run: Manifest) -> str:
        return self.label if run.serving.model.instances == 1 else self.label_of_requests or self.label

    def of(self, run: RunData) -> Any:  # noqa: ANN401 - a count or a number, or None
        return self.formula(run) if self.formula else getattr(run, self.name)


def declared(record: type) -> tuple[Figure, ...]:
    """The figures that annotate fields of a class, in their order; `name` is that of the field."""
    hints = get_type_hints(record, include_extras=True)
    return tuple(
        replace(note, name=name, label=note.label or note.title)
        for name, hint in hints.items()
        for note in getattr(hint, "__metadata__", ())
        if isinstance(note, Figure)
    )


def _quantile_ms(ascending_us: Integers, quantile: float) -> float | None:
    """By numpy's default method, from the raw microseconds."""
    return float(quantiles_of(ascending_us, [quantile])[0]) / 1000 if ascending_us.size else None
