"""The requests of one offered rate, in the order in which they were due."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from analysis.results.run.columns import Booleans, Floats, Integers

# A rate begins with an empty queue: so many times the latency limit are not counted, or this share of the time.
_SETTLING, _SETTLING_SHARE = 5, 0.2
# A queue is looked at in so many parts of the time; Student's t that its mean growth exceeds once in a thousand times.
_PARTS = 8
_CERTAIN_T = -float(stdtrit(_PARTS - 1, 0.001))


@dataclass(frozen=True)
class OfferedRate:
    """Requests that were due at `rate_rps`: arrays of one length, in the order of `offsets_s`, from the first one on.

    `response_s` is infinite where no good answer came. `poisson`: the arrivals were Poisson, else evenly spaced.
    """

    rate_rps: float
    poisson: bool
    offsets_s: Floats
    response_s: Floats

    @classmethod
    def of(
        cls, rate_rps: float, intended_start_us: Integers, end_us: Integers, good: Booleans, *, poisson: bool
    ) -> "OfferedRate":
        """From the rows of a phase, in any order: when each was due and answered, and whether correctly."""
        order = np.argsort(intended_start_us, kind="stable")
        offsets_s, end_s = intended_start_us[order] / 1e6, end_us[order] / 1e6
        return cls(rate_rps, poisson, offsets_s - offsets_s[:1], np.where(good[order], end_s - offsets_s, np.inf))

    @property
    def failed(self) -> Booleans:
        return np.isinf(self.response_s)

    def settled(self, latency_s: float) -> "OfferedRate":
        """Without the requests that were due while the queue was still filling from nothing."""
        if not self.poisson or not self.offsets_s.size:
            return self
        counted = self.offsets_s >= min(_SETTLING * latency_s, _SETTLING_SHARE * float(self.offsets_s[-1]))
        return OfferedRate(self.rate_rps, self.poisson, self.offsets_s[counted], self.response_s[counted])

    def is_overload(self, latency_s: float) -> bool:
        """Whether good answers certainly came at a lower rate than their requests were due, so that a queue grew.

        Counted from `latency_s` on, when answers to the first requests are due, to the last request: then the queue
        takes longer than that to answer. A queue that fills in one burst, as in a pause of the server, does not grow in
        all parts of that time (Student's t).
        """
        if not self.offsets_s.size or self.offsets_s[-1] < 2 * latency_s:
            return False
        good = ~self.failed
        offsets_s, end_s = self.offsets_s[good], self.offsets_s[good] + self.response_s[good]
        edges_s = np.linspace(latency_s, self.offsets_s[-1], _PARTS + 1)
        answered = np.histogram(end_s, edges_s)[0]
        grown = np.histogram(offsets_s, edges_s)[0] - answered
        answered_rps = float(answered.sum() / (edges_s[-1] - edges_s[0]))
        waiting = np.count_nonzero(end_s > edges_s[-1])
        spread = float(grown.std(ddof=1)) / math.sqrt(_PARTS)
        return bool(waiting > answered_rps * latency_s) and float(grown.mean()) > _CERTAIN_T * spread
