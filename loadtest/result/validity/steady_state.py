"""Checks of whether the counted phase is steady: no drift, no step, no slow wander of the rate.

docs/measurement.md gives the reason for each threshold.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from scipy.special import stdtrit

from analysis.results.run.columns import Floats, Integers
from analysis.results.run.wander import wander_of
from loadtest.generator.phases import HOLD
from loadtest.generator.plan import LoadPlan, ScheduledPlan
from loadtest.result.raw_rows import times_us
from loadtest.result.validity.trend import trend_of

# How each reason begins.
_NOT_SETTLED = "the run did not settle"
# As many windows as have enough answers each; a shorter hold cannot show whether it is steady.
_WINDOWS, _FEWEST_A_WINDOW, _SHORTEST_S = (60, 24, 12), 8, 10.0
_LATENCY_DRIFT, _THROUGHPUT_DRIFT, _DRIFT_CONFIDENCE = 0.2, 0.1, 0.999
_STEP_CONFIDENCE = 0.996
# Where windows of one state differ by more than this (standard deviation of the logarithm), a queue is busy, and its
# waves look like states: a step then has to be the more certain.
_CALM_SD = 0.25
# A few slow windows are no step: each state lasts a twelfth of the windows, and of the pairs of a window before and one
# after the step, so many differ as the step does.
_SHORTEST_PART, _DIFFERENT_PAIRS = 1 / 12, 0.85
_MOST_CORRELATED = 0.97
# The cells that the rate is counted in, the shortest of them, and the wander that no interval covers any more.
_CELLS, _SHORTEST_CELL_S, _WANDER_Z, _WANDER_SD = 60, 1.0, 2.6, 0.02
# A window without an answer counts as one with half an answer, so that the rise from it has a size.
_FEWEST_ANSWERS, _SHORTEST_MS = 0.5, 0.0005


@dataclass(frozen=True)
class LevelStep:
    """The likeliest step in a series: its size, how many values are before it, how certain it is, and what it leaves.

    `squares` is the sum of the squared differences from both levels.
    """

    size: float
    at: int
    z: float
    squares: float


def steady_state_reasons(rows: pa.Table, counted: pa.Table, load: LoadPlan) -> list[str]:
    """Whether latency or throughput changed in the counted phase; `rows` are those of all phases."""
    if not load.is_steady:
        return []  # each step of a search is judged by its own trend
    answers = _Answers.of(rows, counted)
    windows = answers.windows() if answers else None
    if answers is None or windows is None:
        return []
    latency_ms, came = windows
    changes = [
        _change_reason("median latency", np.maximum(latency_ms, _SHORTEST_MS), _LATENCY_DRIFT, answers.duration_s),
        _change_reason("throughput", np.maximum(came, _FEWEST_ANSWERS), _THROUGHPUT_DRIFT, answers.duration_s),
    ]
    if not isinstance(load, ScheduledPlan) and not any(changes):
        changes = [_wander_reason(answers)]  # of a schedule, the throughput is the schedule's
    return list(filter(None, changes))


def likeliest_step(series: Floats) -> LevelStep:
    """The split of the series that separates two levels best: the largest t statistic over all splits.

    It is the sup-F test of one break (Andrews 1993, Econometrica 61; of climate series Alexandersson's SNHT), with the
    variance enlarged by the autocorrelation that is left around both levels.
    """
    best = LevelStep(0.0, 0, 0.0, math.inf)
    shortest = _shortest_part(len(series))
    for at in range(shortest, len(series) - shortest + 1):
        before, after = series[:at], series[at:]
        size = float(after.mean() - before.mean())
        left = np.concatenate([before - before.mean(), after - after.mean()])
        squares = float(left @ left)
        if not squares:
            return LevelStep(size, at, math.inf if size else 0.0, 0.0)
        variance = squares / (len(series) - 2) * _inflation(left)
        z = abs(size) / math.sqrt(variance * (1 / at + 1 / (len(series) - at)))
        if z > best.z:
            best = LevelStep(size, at, z, squares)
    return best


def _inflation(left: Floats) -> float:
    """By how much the variance of a mean grows because of the autocorrelation of what a fit has left.

    A short series shows too little of it: by (1 + 3 r) / n (Kendall, Biometrika 41, 1954).
    """
    squares = float(left @ left)
    measured = float(left[1:] @ left[:-1]) / squares if squares else 0.0
    correlation = min(_MOST_CORRELATED, max(0.0, measured + (1 + 3 * measured) / left.size))
    return (1 + correlation) / (1 - correlation)


def _shortest_part(count: int) -> int:
    """Of so many windows, those of the shortest state that counts as one; one window is never enough."""
    return max(2, round(count * _SHORTEST_PART))


def _is_of_all(step: LevelStep, series: Floats) -> bool:
    """Whether the windows differ as the step does, and not only the mean of them (the Mann-Whitney statistic)."""
    rise = np.sign(step.size) * (series[step.at :, None] - series[: step.at])
    return float(np.mean(rise > 0) + np.mean(rise == 0) / 2) >= _DIFFERENT_PAIRS


def _critical_z(step: LevelStep, count: int) -> float:
    """Student's t for as many comparisons as there are splits (Bonferroni); larger where the windows are not calm."""
    splits = count - 2 * _shortest_part(count) + 1
    return -_restless(step.squares, count) * float(stdtrit(count - 2, (1 - _STEP_CONFIDENCE) / 2 / splits))


def _restless(squares: float, count: int) -> float:
    """By what factor more certain a change has to be whose fit leaves these squares of so many windows."""
    return max(1.0, math.sqrt(squares / count) / _CALM_SD)


def _change_reason(name: str, values: Floats, limit: float, duration_s: float) -> str | None:
    """A step or a drift, whichever fits better, that is both larger than the limit and beyond chance.

    The values are positive.
    """
    logarithms = np.log(values)
    step, trend = likeliest_step(logarithms), trend_of([float(value) for value in values])
    drift = trend.slope * (values.size - 1) / float(np.median(values))
    is_large = abs(step.size) > math.log1p(limit) and step.z > _critical_z(step, values.size)
    stepped = is_large and _is_of_all(step, logarithms)
    line_t, line_squares = _line(logarithms)
    critical_t = -_restless(line_squares, values.size) * float(stdtrit(values.size - 2, (1 - _DRIFT_CONFIDENCE) / 2))
    drifted = abs(drift) > limit and trend.significant(_DRIFT_CONFIDENCE) and abs(line_t) > critical_t
    if stepped and (not drifted or step.squares < line_squares):
        at_s = step.at / values.size * duration_s
        return (
            f"{_NOT_SETTLED}: {name} {_moved(math.expm1(step.size))} in one step, about {at_s:.0f} s into the"
            f" {HOLD} phase, so its figures are a mixture of two states; find out what changed then, and run again"
        )
    if drifted:
        return (
            f"{_NOT_SETTLED}: {name} {_moved(drift)} over the {HOLD} phase"
            f" (Mann-Kendall z = {trend.z:.1f}), so its figures depend on when it ended; give a longer warmupS or"
            " durationS, or send less"
        )
    return None


def _line(values: Floats) -> tuple[float, float]:
    """Student's t of the slope of a straight line, and what it leaves, as `LevelStep.squares` is of a step.

    What it leaves may be correlated.
    """
    at = np.arange(values.size) - (values.size - 1) / 2
    slope = float(at @ values) / float(at @ at)
    left = values - values.mean() - slope * at
    squares = float(left @ left)
    variance = squares / (values.size - 2) * _inflation(left) / float(at @ at)
    return slope / math.sqrt(variance) if variance else math.copysign(math.inf, slope), squares


def _moved(change: float) -> str:
    return f"{'rose' if change > 0 else 'fell'} by {abs(change):.0%}"


def _wander_reason(answers: "_Answers") -> str | None:
    counts = answers.counts(_CELLS)
    if answers.duration_s < _CELLS * _SHORTEST_CELL_S or counts.mean() < 1:
        return None
    wander = wander_of(counts)
    if wander.z <= _WANDER_Z or wander.sd <= _WANDER_SD:
        return None
    return (
        f"{_NOT_SETTLED}: its throughput rose and fell slowly, by about {wander.sd:.0%} over tens of seconds, so the"
        f" {HOLD} phase is too short for a confidence interval; give a longer durationS"
    )


@dataclass(frozen=True)
class _Answers:
    """Good answers, in microseconds: those of the counted phase by when each was due, and all by when they came.

    An answer counts where it comes, whichever phase its request was sent in: at the beginning of an overloaded hold the
    server still answers requests of the ramp.
    """

    intended_us: Integers
    response_us: Integers
    end_us: Integers

    @classmethod
    def of(cls, rows: pa.Table, counted: pa.Table) -> "_Answers | None":
        """None where the phase is too short to show whether it is steady."""
        good, every = counted.filter(counted["ok"]), rows.filter(rows["ok"])
        intended_us = times_us(good, "intended_start")
        answers = cls(intended_us, _end_us(good) - intended_us, _end_us(every))
        return answers if good.num_rows and answers.duration_s >= _SHORTEST_S else None

    @property
    def duration_s(self) -> float:
        return float(np.ptp(self.intended_us)) / 1e6

    def windows(self) -> tuple[Floats, Floats] | None:
        """The median response time in ms, and how many answers came, in windows of equal time; None with too few."""
        response_ms = self.response_us / 1e3
        for count in _WINDOWS:
            within = [
                response_ms[(self.intended_us >= low_us) & (self.intended_us <= high_us)]
                for low_us, high_us in pairwise(self._edges_us(count))
            ]
            if min(map(len, within)) >= _FEWEST_A_WINDOW:
                return np.array([float(np.median(each)) for each in within]), self.counts(count)
        return None

    def counts(self, cells: int) -> Floats:
        """How many answers came in each of so many cells of equal time."""
        return np.histogram(self.end_us, self._edges_us(cells))[0].astype(np.float64)

    def _edges_us(self, count: int) -> Floats:
        return np.linspace(self.intended_us.min(), self.intended_us.max(), count + 1)


def _end_us(rows: pa.Table) -> Integers:
    return times_us(rows, "start") + times_us(rows, "latency_us")
