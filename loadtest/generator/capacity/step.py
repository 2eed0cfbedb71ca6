"""One step of a capacity search: offers one rate, and judges whether the rate meets the objective.

Standard library only. It reads no clock, so that tests can judge a simulated server.
"""

import math
from bisect import bisect_right
from dataclasses import dataclass
from enum import Enum
from statistics import median

from loadtest.generator.capacity.certify import FEW_BLOCKS, FEWEST_BLOCKS, dispersion, fails_quantile, meets_quantile
from loadtest.generator.loops.arrivals import CONSTANT
from loadtest.generator.plan import CapacitySearchPlan

# A step that meets the objective is wrong once in a hundred times at most, one that fails once in a thousand times.
_MEETS_ERROR, _FAILS_ERROR = 0.01, 0.001
# A quick step passes unless a server that meets the objective would miss so many this rarely.
_DOUBTFUL = 0.05
# A step is looked at after so many seconds, and then whenever it is older by this factor.
_FIRST_LOOK_S, _LATER = 1.0, 1.5
# A step with Poisson arrivals fails after so many times the latency limit at the earliest: before, it is one burst.
_FAILS_AFTER = 10
# The least requests and seconds of a quick step.
_QUICK_REQUESTS, _QUICK_S = 24, 2.0
# A step begins with an empty queue: so many times the latency limit are not counted, or this share of the step.
_SETTLING, _SETTLING_SHARE = 5, 0.2
# Bursts of misses are as long as those above lower levels, of which there are more.
_LEVELS = (0.5, 0.8, 0.95)


class StepVerdict(Enum):
    """`UNDECIDED`: the step ended before either was shown. `PASSED`: a quick step looked good; it certifies nothing."""

    MEETS = "meets"
    FAILS = "fails"
    UNDECIDED = "undecided"
    PASSED = "passed"


@dataclass(frozen=True)
class Step:
    """A rate to offer, with `arrivals` of loadtest.generator.loops.arrivals and their seed, for `longest_s` at most.

    A step with constant arrivals is only on the way: it ends as soon as the rate looks good.
    """

    rate_rps: float
    arrivals: str
    seed: int
    longest_s: float

    @property
    def quick(self) -> bool:
        return self.arrivals == CONSTANT


@dataclass(frozen=True)
class Counts:
    """What a step counted: its requests after it settled, those that missed, those that failed, and their dispersion.

    `dispersion` is the largest, of the queue; `missed_dispersion` is that of the misses that came.
    """

    rate_rps: float
    requests: int
    missed: int
    dispersion: float
    failed: int = 0
    failed_dispersion: float = 1.0
    missed_dispersion: float = 1.0

    @property
    def of_failed(self) -> "Counts":
        """The same where only a failed request is a miss."""
        return Counts(self.rate_rps, self.requests, self.failed, self.failed_dispersion)


class StepJudge:
    """Judges a step by its requests. All times are in seconds since the step began."""

    def __init__(self, load: CapacitySearchPlan, step: Step) -> None:
        self._load = load
        self._step = step
        self._settling_s = min(_SETTLING * load.latency_s, _SETTLING_SHARE * step.longest_s)
        self._offsets_s: list[float] = []
        self._response_s: list[float | None] = []
        self._failed: list[bool] = []
        self._looks = 0
        self.next_look_s = min(_FIRST_LOOK_S, step.longest_s)

    def add_due(self, offset_s: float) -> int:
        """A request is due now; returns its number, by which its end is reported."""
        self._offsets_s.append(offset_s)
        self._response_s.append(None)
        self._failed.append(False)
        return len(self._offsets_s) - 1

    def add_end(self, number: int, response_s: float, ok: bool) -> None:  # noqa: FBT001 (the signature of a callback)
        """Request `number` ended `response_s` after it was due."""
        self._response_s[number] = response_s
        self._failed[number] = not ok

    def verdict(self, now_s: float) -> StepVerdict | None:
        """The verdict at `now_s`, which is `next_look_s`; None while the step has to go on.

        A step may fail at each look, so the error is spent over them: half of what is left at each. It meets the
        objective at its end only, which is fixed beforehand.
        """
        self._looks += 1
        self.next_look_s = min(_LATER * now_s, self._step.longest_s)
        is_old, is_over = now_s >= _FAILS_AFTER * self._load.latency_s, now_s >= self._step.longest_s
        if not (self._step.quick or is_old or is_over):
            return None
        seen = self._seen(now_s, 0.0 if self._step.quick else self._settling_s)
        missed = sum(flag for _, flag, _ in seen)
        if (self._step.quick or is_old) and self._fails(seen, _FAILS_ERROR / 2**self._looks):
            return StepVerdict.FAILS
        if (
            self._step.quick
            and len(self._offsets_s) >= _QUICK_REQUESTS
            and now_s >= max(_QUICK_S, 2 * self._load.latency_s)
        ):
            if self._backlog_grows():
                return StepVerdict.UNDECIDED
            if not fails_quantile(missed, len(seen), self._load.quantile, _DOUBTFUL):
                return StepVerdict.PASSED
        if not is_over:
            return None
        return StepVerdict.MEETS if not self._step.quick and self._meets(seen) else StepVerdict.UNDECIDED

    def counts(self, now_s: float) -> Counts:
        """What is known at `now_s` of the requests that are old enough to have missed."""
        until = bisect_right(self._offsets_s, now_s - self._load.latency_s)
        seen = self._seen(now_s, self._settling_s, until)
        missed, failed = [flag for _, flag, _ in seen], [flag for _, _, flag in seen]
        return Counts(
            self._step.rate_rps,
            len(seen),
            sum(missed),
            self._dispersion(seen),
            sum(failed),
            dispersion(failed, FEWEST_BLOCKS),
            dispersion(missed, FEWEST_BLOCKS),
        )

    def _backlog_grows(self) -> bool:
        """Whether more requests wait than at twice the response time of the first ones."""
        first_s = [response_s for response_s in self._response_s[: _QUICK_REQUESTS // 2] if response_s is not None]
        if len(first_s) < _QUICK_REQUESTS // 4:
            return True
        waiting = sum(response_s is None for response_s in self._response_s)
        return waiting > 2 * median(first_s) * self._step.rate_rps + 4

    def _seen(self, now_s: float, from_s: float, until: int | None = None) -> list[tuple[float, bool, bool]]:
        """Response time, whether it missed, and whether it failed, of each request with a known result, as due.

        One that waits for too long has missed, and is as late as it has waited.
        """
        latest_s = self._load.latency_s
        seen = []
        known = zip(self._offsets_s[:until], self._response_s, self._failed, strict=False)
        for offset_s, response_s, failed in known:
            if offset_s < from_s:
                continue
            if response_s is not None:
                seen.append((math.inf if failed else response_s, failed or response_s > latest_s, failed))
            elif now_s - offset_s > latest_s:
                seen.append((now_s - offset_s, True, False))
        return seen

    def _fails(self, seen: list[tuple[float, bool, bool]], error: float) -> bool:
        missed, failed = sum(flag for _, flag, _ in seen), sum(flag for _, _, flag in seen)
        allowed = (1 - self._load.quantile) * len(seen)
        if failed and fails_quantile(failed, len(seen), 1 - self._load.error_ratio, error):
            return True
        if missed <= allowed or not fails_quantile(missed, len(seen), self._load.quantile, error):
            return False
        worth = self._dispersion(seen, FEWEST_BLOCKS)
        return fails_quantile(int(missed / worth), int(len(seen) / worth), self._load.quantile, error)

    def _meets(self, seen: list[tuple[float, bool, bool]]) -> bool:
        missed, failed = sum(flag for _, flag, _ in seen), sum(flag for _, _, flag in seen)
        if failed > self._load.error_ratio * len(seen):
            return False
        # In bursts they say less; how long those are takes longer to compute.
        if not meets_quantile(missed, len(seen), self._load.quantile, _MEETS_ERROR):
            return False
        worth = self._dispersion(seen)
        return meets_quantile(math.ceil(missed / worth), int(len(seen) / worth), self._load.quantile, _MEETS_ERROR)

    def _dispersion(self, seen: list[tuple[float, bool, bool]], fewest_blocks: int = FEW_BLOCKS) -> float:
        """The largest of that of the misses and of those above levels that more requests reach."""
        if not seen:
            return 1.0
        ordered = sorted(response_s for response_s, _, _ in seen)
        levels = [ordered[int(share * (len(ordered) - 1))] for share in _LEVELS]
        above = [[response_s > level for response_s, _, _ in seen] for level in levels]
        missed = [flag for _, flag, _ in seen]
        return max(dispersion(flags, fewest_blocks) for flags in (missed, *above))
