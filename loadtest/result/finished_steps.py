"""The steps of a capacity search that came to its end, as the generator reported them, each with its rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from analysis.capacity.requests import OfferedRate
from analysis.results.run.columns import Integers
from analysis.results.schema.manifest import CapacityStep
from analysis.results.schema.request_rows import NOT_SENT
from loadtest.generator.capacity.step import StepVerdict
from loadtest.generator.loops.arrivals import POISSON
from loadtest.generator.plan import CapacitySearchPlan, LoadPlan
from loadtest.result.raw_rows import times_us

_MEETS = {StepVerdict.MEETS: True, StepVerdict.FAILS: False}
# The errors of requests whose server was slow, and not wrong.
_SLOW = pa.array(["timeout", NOT_SENT])


@dataclass(frozen=True)
class FinishedStep:
    """A rate that was offered in `phase`, its rows in REQUESTS_SCHEMA, and the generator's verdict on it."""

    phase: str
    rate_rps: float
    arrivals: str
    verdict: StepVerdict
    rows: pa.Table

    @property
    def poisson(self) -> bool:
        return self.arrivals == POISSON

    @property
    def offered(self) -> OfferedRate:
        return self._offered(self.rows)

    @property
    def offered_without_errors(self) -> OfferedRate:
        """Only the requests that were answered correctly, or too late."""
        return self._offered(self.rows.filter(pc.invert(self._is_error)))

    @property
    def errors(self) -> int:
        """How many answers were wrong, or did not come for another reason than that the server was slow."""
        return int(pc.sum(self._is_error).as_py() or 0)

    @property
    def most_frequent_error(self) -> str:
        """Of the requests that failed, of which there is one at least."""
        errors = self.rows.filter(pc.invert(self.rows["ok"]))["error"].value_counts()
        return str(max(errors.to_pylist(), key=lambda counted: counted["counts"])["values"])

    def figures(self, *, disturbed: bool) -> CapacityStep:
        """What the manifest says of the step."""
        start_us, intended_start_us, latency_us = _times_us(self.rows)
        good = self.rows["ok"].to_numpy(zero_copy_only=False)
        response_ms = ((start_us - intended_start_us + latency_us) / 1e3)[good]
        p50_ms, p99_ms = np.quantile(response_ms, [0.5, 0.99]).tolist() if len(response_ms) else (None, None)
        span_us = int(np.ptp(start_us)) if len(start_us) else 0
        return CapacityStep(
            rate_rps=self.rate_rps,
            arrivals=self.arrivals,
            achieved_rps=(len(start_us) - 1) / span_us * 1e6 if span_us else None,
            requests=self.rows.num_rows,
            p50_ms=p50_ms,
            p99_ms=p99_ms,
            error_ratio=1 - int(good.sum()) / self.rows.num_rows if self.rows.num_rows else None,
            meets=_MEETS.get(self.verdict),
            disturbed=disturbed,
        )

    @property
    def _is_error(self) -> pa.ChunkedArray:
        return pc.and_(pc.invert(self.rows["ok"]), pc.invert(pc.is_in(self.rows["error"], value_set=_SLOW)))

    def _offered(self, rows: pa.Table) -> OfferedRate:
        start_us, intended_start_us, latency_us = _times_us(rows)
        good = rows["ok"].to_numpy(zero_copy_only=False)
        return OfferedRate.of(self.rate_rps, intended_start_us, start_us + latency_us, good, poisson=self.poisson)


def finished_steps(load: LoadPlan, totals: Mapping[str, Any], rows: pa.Table) -> tuple[FinishedStep, ...] | None:
    """The steps in the order in which they were offered; None where no search came to its end."""
    search = totals.get("search") if totals and not totals["stop"] else None
    if not isinstance(load, CapacitySearchPlan) or search is None:
        return None
    return tuple(
        FinishedStep(
            phase=step["phase"],
            rate_rps=step["rate_rps"],
            arrivals=step["arrivals"],
            verdict=StepVerdict(step["verdict"]),
            rows=rows.filter(pc.equal(rows["phase"], step["phase"])),
        )
        for step in search["steps"]
    )


def _times_us(rows: pa.Table) -> tuple[Integers, ...]:
    """When each request was sent and due, and its latency, in microseconds."""
    return tuple(times_us(rows, name) for name in ("start", "intended_start", "latency_us"))
