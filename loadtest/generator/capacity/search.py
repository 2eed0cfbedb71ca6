"""Which rate a capacity search tries next, and its result: doubling, then bisecting. Standard library only."""

from dataclasses import dataclass

from loadtest.generator.capacity.step import Verdict
from loadtest.generator.plan import CapacitySearchPlan

_CLIMB = 2.0
# How far below a rate to go on when that rate passed a quick step and then failed.
_DESCENT = 1.25


@dataclass(frozen=True)
class Step:
    """A rate to try. A `quick` step is only on the way: it ends as soon as the rate looks good."""

    rate_rps: float
    quick: bool


@dataclass(frozen=True)
class CapacityEstimate:
    """The highest rate that was certified, and the interval of the capacity: see `Search.estimate`."""

    rate_rps: float
    low_rps: float
    high_rps: float


class Search:
    """Climbs by doubling until a rate fails, then bisects until the gap is within `precision`."""

    def __init__(self, load: CapacitySearchPlan, start_rps: float) -> None:
        self._next_rps = min(max(start_rps, load.lowest_rps), load.highest_rps)
        self._lowest_rps, self._highest_rps = load.lowest_rps, load.highest_rps
        self._precision = load.precision
        self._good_rps: float | None = None
        self._certified_rps: float | None = None
        self._undetectable_growth = 0.0
        self._failed_rps: float | None = None
        self._ceiling_rps: float | None = None
        self._disputed: Step | None = None
        self._for, self._against = 0, 0

    def next(self) -> Step | None:
        """The step to make now; None when the search is finished."""
        if self._disputed:
            return self._disputed
        if self._ceiling_rps is None:
            return self._climb()
        if self._good_rps is None:
            at_the_bottom = self._ceiling_rps <= self._lowest_rps
            return None if at_the_bottom else Step(max(self._ceiling_rps / _CLIMB, self._lowest_rps), quick=True)
        if self._ceiling_rps / self._good_rps > 1 + self._precision:
            return Step((self._good_rps * self._ceiling_rps) ** 0.5, quick=False)
        return self._certify(self._good_rps)

    def _climb(self) -> Step | None:
        if self._good_rps is None:
            return Step(self._next_rps, quick=True)
        if self._good_rps == self._highest_rps:
            return self._certify(self._good_rps)
        return Step(min(self._good_rps * _CLIMB, self._highest_rps), quick=True)

    def _certify(self, rate_rps: float) -> Step | None:
        return None if self._certified_rps == rate_rps else Step(rate_rps, quick=False)

    def record(self, step: Step, verdict: Verdict, undetectable_growth: float = 0.0) -> None:
        """Add the verdict on the step that `next` returned; see StepJudge for the undetectable growth."""
        self._for += verdict in {Verdict.MEETS, Verdict.PASSED}
        self._against += verdict is Verdict.FAILS
        # A short disturbance of the machine fails a step, too: once a rate has failed, the best of three decides.
        undisputed = verdict is Verdict.UNDECIDED or not self._against
        self._disputed = None if undisputed or max(self._for, self._against) == 2 else step
        if self._disputed:
            return
        good = verdict is not Verdict.UNDECIDED and self._for > self._against
        self._for, self._against = 0, 0
        if good:
            self._take_good(step, verdict, undetectable_growth)
        else:
            self._take_bad(step, verdict)

    def _take_good(self, step: Step, verdict: Verdict, undetectable_growth: float) -> None:
        self._good_rps = max(self._good_rps or 0.0, step.rate_rps)
        if verdict is Verdict.MEETS and step.rate_rps > (self._certified_rps or 0.0):
            self._certified_rps, self._undetectable_growth = step.rate_rps, undetectable_growth

    def _take_bad(self, step: Step, verdict: Verdict) -> None:
        self._ceiling_rps = min(self._ceiling_rps or step.rate_rps, step.rate_rps)
        if verdict is Verdict.FAILS:
            self._failed_rps = min(self._failed_rps or step.rate_rps, step.rate_rps)
        if self._good_rps is not None and self._good_rps >= self._ceiling_rps:
            # It passed a quick step, and has now failed.
            lower = max(self._ceiling_rps / _DESCENT, self._lowest_rps)
            self._good_rps = self._certified_rps or (lower if lower < self._ceiling_rps else None)

    def estimate(self) -> CapacityEstimate | None:
        """The result; None where no rate was certified, or none failed.

        The interval goes from the certified rate, less the growth that its step cannot detect, to the lowest rate that
        failed. It misses the capacity only if the verdict at one of its ends is wrong: certifying is wrong once in a
        hundred times, and failing twice far less often, which keeps the choice among steps within 5 %.
        """
        certified, failed = self._certified_rps, self._failed_rps
        if certified is None or failed is None or certified >= failed:
            return None
        return CapacityEstimate(certified, certified / (1 + self._undetectable_growth), failed)
