"""Which rate to try next, and what the search comes to: doubling, then bisecting. Pure; standard library only."""

from dataclasses import dataclass

from loadtest.generator.capacity.step import Verdict

_CLIMB = 2.0
# How far down is tried when a rate that had looked good at a glance is not.
_DESCENT = 1.25


@dataclass(frozen=True)
class Step:
    """A rate to try. `glance`: it only has to look good, as it is on the way."""

    rate_rps: float
    glance: bool


@dataclass(frozen=True)
class Tried:
    """A step that was made."""

    rate_rps: float
    verdict: Verdict


@dataclass(frozen=True)
class Found:
    """The highest rate that was certified, and the interval that holds the capacity: see `Search.found`."""

    rate_rps: float
    low_rps: float
    high_rps: float


class Search:
    """Climbs by doubling until a rate fails, then bisects until the gap is within `precision`."""

    def __init__(self, start_rps: float, lowest_rps: float, highest_rps: float, precision: float) -> None:
        self._next_rps = min(max(start_rps, lowest_rps), highest_rps)
        self._lowest_rps, self._highest_rps = lowest_rps, highest_rps
        self._precision = precision
        self._good_rps: float | None = None
        self._certified_rps: float | None = None
        self._unseen = 0.0
        self._failed_rps: float | None = None
        self._ceiling_rps: float | None = None
        self._disputed: Step | None = None
        self._for, self._against = 0, 0
        self.tried: list[Tried] = []

    def next(self) -> Step | None:
        """The step to make now; None when there is nothing left to learn."""
        if self._disputed:
            return self._disputed
        if self._ceiling_rps is None:
            return self._climb()
        if self._good_rps is None:
            at_the_bottom = self._ceiling_rps <= self._lowest_rps
            return None if at_the_bottom else Step(max(self._ceiling_rps / _CLIMB, self._lowest_rps), glance=True)
        if self._ceiling_rps / self._good_rps > 1 + self._precision:
            return Step((self._good_rps * self._ceiling_rps) ** 0.5, glance=False)
        return self._certify(self._good_rps)

    def _climb(self) -> Step | None:
        if self._good_rps is None:
            return Step(self._next_rps, glance=True)
        if self._good_rps == self._highest_rps:
            return self._certify(self._good_rps)
        return Step(min(self._good_rps * _CLIMB, self._highest_rps), glance=True)

    def _certify(self, rate_rps: float) -> Step | None:
        return None if self._certified_rps == rate_rps else Step(rate_rps, glance=False)

    def learn(self, step: Step, verdict: Verdict, unseen: float = 0.0) -> None:
        """Take the verdict on the step that `next` gave, and the share of growth that it cannot have seen."""
        self.tried.append(Tried(step.rate_rps, verdict))
        self._for += verdict in {Verdict.MEETS, Verdict.PASSED}
        self._against += verdict is Verdict.FAILS
        # A passing trouble of the machine fails a step as well: once a rate has failed, the best of three decides.
        undisputed = verdict is Verdict.UNDECIDED or not self._against
        self._disputed = None if undisputed or max(self._for, self._against) == 2 else step
        if self._disputed:
            return
        good = verdict is not Verdict.UNDECIDED and self._for > self._against
        self._for, self._against = 0, 0
        if good:
            self._take_good(step, verdict, unseen)
        else:
            self._take_bad(step, verdict)

    def _take_good(self, step: Step, verdict: Verdict, unseen: float) -> None:
        self._good_rps = max(self._good_rps or 0.0, step.rate_rps)
        if verdict is Verdict.MEETS and step.rate_rps > (self._certified_rps or 0.0):
            self._certified_rps, self._unseen = step.rate_rps, unseen

    def _take_bad(self, step: Step, verdict: Verdict) -> None:
        self._ceiling_rps = min(self._ceiling_rps or step.rate_rps, step.rate_rps)
        if verdict is Verdict.FAILS:
            self._failed_rps = min(self._failed_rps or step.rate_rps, step.rate_rps)
        if self._good_rps is not None and self._good_rps >= self._ceiling_rps:
            # It had looked good at a glance, and is not.
            lower = max(self._ceiling_rps / _DESCENT, self._lowest_rps)
            self._good_rps = self._certified_rps or (lower if lower < self._ceiling_rps else None)

    def found(self) -> Found | None:
        """The result; None where no rate was certified, or none failed.

        The interval goes from the certified rate, less the growth that its step cannot have seen, to the lowest rate
        that failed. It misses the capacity only if one of the two verdicts that end it is wrong: certifying errs once
        in a hundred times, and failing twice far less often, which leaves room for the choice among steps within 5 %.
        """
        certified, failed = self._certified_rps, self._failed_rps
        if certified is None or failed is None or certified >= failed:
            return None
        return Found(certified, certified / (1 + self._unseen), failed)
