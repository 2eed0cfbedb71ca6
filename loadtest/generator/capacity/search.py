"""Which rate a capacity search offers next, and for how long. Standard library only."""

import math

from loadtest.generator.capacity.certify import fails_quantile, meets_quantile
from loadtest.generator.capacity.fit import CapacityFit, fit_capacity
from loadtest.generator.capacity.step import Counts, Step, StepVerdict
from loadtest.generator.loops.arrivals import CONSTANT, POISSON
from loadtest.generator.plan import CapacitySearchPlan

# The climb doubles the rate until one does not pass, then halves the gap until it is this small.
_CLIMB, _GAP = 2.0, 1.2
_QUICK_S = 10.0
# The first rate with Poisson arrivals, of the highest that passed; how far a rate may be from the one before it, and
# how far below one that failed.
_FIRST, _MOVE, _BELOW = 0.8, 1.15, 1.02
# How far at least, and at most, a rate is above all others while none has missed more than is allowed.
_ABOVE, _FAR_ABOVE = 1.02, 1.3
# A step is long enough for so many independent misses at the capacity, for a queue to fill and empty several times, and
# for clocks; and no longer than this share of the search.
_MISSES, _LATENCIES, _SHORTEST_S, _SHARE = 2.0, 25.0, 3.0, 1 / 6
_USUAL_DISPERSION = 4.0
# At the capacity most requests wait less than this share of the latency limit.
_USUAL_WAIT = 0.4
# Fewer steps agree by chance.
_FEWEST_STEPS = 8
# Failed requests are a limit of their own where so many come by chance this rarely.
_BEYOND_CHANCE = 0.2
# A capacity needs a rate that certainly meets the objective. One is looked for below the capacity by this factor, and
# then each time lower by it, once the interval is narrow enough or so little of the time is left.
_LEFT = 0.4
# Where a server is hardly busy: this part of the highest rate that passed. No rate is lower.
HARDLY_BUSY = 0.33
_CERTAIN = 0.02
# Seeds of the steps of one search.
_SEEDS = 1000


def seed_of_step(seed: int, poisson_steps: int) -> int:
    """The seed of a step with Poisson arrivals, in a search with this seed, after so many such steps."""
    return _SEEDS * seed + poisson_steps


class Search:
    """Climbs with constant arrivals until a rate fails, then offers Poisson arrivals at what the steps so far suggest.

    That is Wu's sequential design for a quantile of a binary response (Journal of the American Statistical Association
    80, 1985). It ends when the interval is as narrow as `precision` and some lower rate certainly meets the objective,
    or time is over.
    """

    def __init__(self, load: CapacitySearchPlan, start_rps: float) -> None:
        self._load = load
        self._start_rps = min(max(start_rps, load.lowest_rps), load.highest_rps)
        self._passed_rps: float | None = None
        self._ceiling_rps: float | None = None
        self._failed_rps = math.inf
        self._last_failed = False
        self._steps: list[Counts] = []
        self._is_beyond_reach = False

    def next(self, left_s: float) -> Step | None:
        """The step to make now, with `left_s` left for the search; None when it is finished."""
        if self._is_beyond_reach or left_s <= 0 or self._fails_when_idle():
            return None
        if (rate_rps := self._quick_rps()) is not None:
            return Step(rate_rps, CONSTANT, 0, _QUICK_S + 2 * self._load.latency_s)
        if not self._steps:
            return self._poisson(_FIRST * (self._passed_rps or self._load.lowest_rps), _USUAL_DISPERSION, left_s)
        fit = self._fit()
        is_narrow = len(self._steps) >= _FEWEST_STEPS and fit.width <= self._load.precision
        if (is_narrow or left_s < _LEFT * self._load.duration_s) and not self._meets_somewhere():
            return self._poisson(self._idle_rps, _USUAL_DISPERSION, left_s)
        if is_narrow:
            return None
        busy = [step.rate_rps for step in self._steps if step.rate_rps > self._idle_rps] or [self._idle_rps]
        last_rps = busy[-1]
        least_rps, most_rps = last_rps / _MOVE, last_rps * _MOVE
        if self._last_failed:
            most_rps = last_rps / _BELOW
        elif not self._has_missed_too_much():
            # A capacity lies between a rate that misses less than is allowed and one that misses more.
            highest_rps = max(step.rate_rps for step in self._steps)
            least_rps, most_rps = _ABOVE * highest_rps, _FAR_ABOVE * highest_rps
        rate_rps = min(max(fit.value_rps, least_rps), most_rps)
        return self._poisson(rate_rps, fit.dispersion, left_s)

    def record(self, step: Step, verdict: StepVerdict, counts: Counts) -> None:
        """Add the verdict on the step that `next` returned, and what it counted."""
        if verdict is StepVerdict.PASSED:
            self._passed_rps = max(self._passed_rps or 0.0, step.rate_rps)
            return
        self._last_failed = verdict is StepVerdict.FAILS
        if step.quick:
            if self._last_failed:
                self._failed_rps = min(self._failed_rps, step.rate_rps)
            self._ceiling_rps = min(self._ceiling_rps or step.rate_rps, step.rate_rps)
            self._is_beyond_reach = self._last_failed and step.rate_rps == self._load.lowest_rps
            return
        self._steps.append(counts)
        self._is_beyond_reach = (verdict, step.rate_rps) in {
            (StepVerdict.MEETS, self._load.highest_rps),
            (StepVerdict.FAILS, self._load.lowest_rps),
        }

    def most_in_flight_after(self, step: Step) -> int:
        """How many requests may be in flight when the next step begins.

        None after constant arrivals. Poisson steps follow each other without a pause, as one stream whose rate changes,
        since a queue near its capacity takes long to fill. What is more than usual there is worked off first.
        """
        return 0 if step.quick else round(_USUAL_WAIT * self._load.latency_s * step.rate_rps)

    @property
    def _idle_rps(self) -> float:
        return HARDLY_BUSY * (self._passed_rps or 0.0)

    def _fit(self) -> CapacityFit:
        """The capacity by the limit that is reached first: of late and failed requests together, or of failed ones."""
        share = 1 - self._load.quantile
        highest_rps = min(self._failed_rps, math.e * self._load.highest_rps)
        fits = [fit_capacity(self._steps, share, highest_rps)]
        if self._fail_too_often():
            failed = [step.of_failed for step in self._steps]
            fits.append(fit_capacity(failed, self._load.error_ratio, highest_rps, only_failures=True))
        return min(fits, key=lambda each: each.value_rps)

    def _has_missed_too_much(self) -> bool:
        share = 1 - self._load.quantile
        return any(step.missed > share * step.requests for step in self._steps) or self._fail_too_often()

    def _fail_too_often(self) -> bool:
        """Whether from some rate on more requests fail than by chance; one that fails now and then is no limit."""
        failed = requests = 0.0
        for step in sorted(self._steps, key=lambda step: step.rate_rps, reverse=True):
            failed += step.failed / step.failed_dispersion
            requests += step.requests / step.failed_dispersion
            if fails_quantile(int(failed), int(requests), 1 - self._load.error_ratio, _BEYOND_CHANCE):
                return True
        return False

    def _meets_somewhere(self) -> bool:
        """Whether some rate certainly meets the objective, by all rates up to one together.

        The share of misses grows with the rate: where rates miss less in total, the lowest of them does.
        """
        missed = requests = 0.0
        for step in sorted(self._steps, key=lambda step: step.rate_rps):
            missed += step.missed / step.missed_dispersion
            requests += step.requests / step.missed_dispersion
            if meets_quantile(math.ceil(missed), int(requests), self._load.quantile, _CERTAIN):
                return True
        return False

    def _fails_when_idle(self) -> bool:
        """Whether the objective is certainly missed where the server is hardly busy, so that no rate meets it."""
        idle = [step for step in self._steps if step.rate_rps <= self._idle_rps]
        missed = sum(step.missed / step.missed_dispersion for step in idle)
        requests = sum(step.requests / step.missed_dispersion for step in idle)
        return fails_quantile(int(missed), int(requests), self._load.quantile, _CERTAIN)

    def _quick_rps(self) -> float | None:
        """The rate of the next step with constant arrivals; None when the climb is over."""
        if self._passed_rps is None:
            if self._ceiling_rps is None:
                return self._start_rps
            is_lowest = self._ceiling_rps == self._load.lowest_rps
            return None if is_lowest else max(self._ceiling_rps / _CLIMB, self._load.lowest_rps)
        if self._ceiling_rps is None:
            is_highest = self._passed_rps == self._load.highest_rps
            return None if is_highest else min(_CLIMB * self._passed_rps, self._load.highest_rps)
        return math.sqrt(self._passed_rps * self._ceiling_rps) if self._ceiling_rps > _GAP * self._passed_rps else None

    def _poisson(self, rate_rps: float, dispersion: float, left_s: float) -> Step:
        """A step of a length that is fixed beforehand, so that no chance result can end it.

        Where a server is hardly busy, a lower rate would tell nothing more.
        """
        rate_rps = min(max(rate_rps, self._load.lowest_rps, self._idle_rps), self._load.highest_rps)
        requests = _MISSES * max(_USUAL_DISPERSION, dispersion) / (1 - self._load.quantile)
        needed_s = max(requests / rate_rps, _LATENCIES * self._load.latency_s, _SHORTEST_S)
        longest_s = min(needed_s, _SHARE * self._load.duration_s, left_s)
        return Step(rate_rps, POISSON, seed_of_step(self._load.seed, len(self._steps)), longest_s)
