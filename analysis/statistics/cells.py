"""Counts the rows of a run's hold in cells of equal time: its intervals are computed from these counts.

An interval needs to know how counts vary along the run, not each row. Some hundred cells keep that, and a run of a
million rows is as small as one of a thousand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.results.run.columns import Floats, Integers, RunRows, quantiles_of

CELLS = 480
# Quantiles around that of a tail, evenly spaced in log odds, from a twentieth of the answers above it to 20 times as
# many. An interval that reaches further has no bound.
_LEVELS = 161
_ODDS_TIMES = 20.0


@dataclass(frozen=True)
class Tail:
    """One quantile of the response time of good answers, and what its interval is computed from.

    `excess` is, for each cell, the number of its answers above the quantile minus the expected number. `values_ms` are
    the quantiles at `levels` around it.
    """

    quantile: float
    value_ms: float
    excess: Floats
    levels: Floats
    values_ms: Floats


@dataclass(frozen=True)
class Cells:
    """Counts in cells of equal time: requests by when they were due, `arrived` (good answers) by when they arrived."""

    duration_s: float
    sent: Integers
    good: Integers
    arrived: Integers
    tails: dict[float, Tail]

    @property
    def failed(self) -> Integers:
        """Requests without a good answer, by when they were due."""
        return self.sent - self.good


def cells_of(rows: RunRows, quantiles: Sequence[float]) -> Cells | None:
    """The counts; None where the counted phase has no two requests at different times, so that it has no rate.

    `arrived` counts good answers of all phases that arrived within it, so that neither edge is counted twice.
    """
    counted, every = rows.counted, rows.every
    due_us, sent_us = counted.intended_start_us, counted.start_us
    if not due_us.size or due_us.min() == due_us.max():
        return None
    # The rate is that of the run's goodput: between the first and the last request that was sent.
    if (first_us := int(sent_us.min())) == (last_us := int(sent_us.max())):
        return None
    cell = _cell(due_us, int(due_us.min()), int(due_us.max()))
    within_us = every.end_us[every.ok & (every.end_us > first_us) & (every.end_us <= last_us)]
    response_us = counted.response_us[counted.ok]
    ascending_us = np.sort(response_us)
    good_cell = cell[counted.ok]
    return Cells(
        duration_s=(last_us - first_us) / 1e6,
        sent=np.bincount(cell, minlength=CELLS),
        good=np.bincount(good_cell, minlength=CELLS),
        arrived=np.bincount(_cell(within_us, first_us, last_us), minlength=CELLS),
        tails={
            quantile: _tail(quantile, response_us, ascending_us, good_cell)
            for quantile in quantiles
            if response_us.size
        },
    )


def _cell(times_us: Integers, first_us: int, last_us: int) -> Integers:
    """The cell of each time between the first and the last, in integers, so that edges are exact."""
    return np.minimum((times_us - first_us) * CELLS // (last_us - first_us), CELLS - 1)


def _tail(quantile: float, response_us: Integers, ascending_us: Integers, cell: Integers) -> Tail:
    odds = (1 - quantile) / quantile * np.geomspace(_ODDS_TIMES, 1 / _ODDS_TIMES, _LEVELS)
    levels = 1 / (1 + odds)
    value_us, *values_us = quantiles_of(ascending_us, [quantile, *levels])
    above = np.bincount(cell[response_us > value_us], minlength=CELLS)
    expected = (1 - quantile) * np.bincount(cell, minlength=CELLS)
    return Tail(quantile, float(value_us) / 1000, above - expected, levels, np.array(values_us) / 1000)
