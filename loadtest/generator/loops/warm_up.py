"""Whether a server is warm: its answers no longer get quicker. Pure; standard library only."""

from collections import deque
from statistics import median

# The last five answers are compared with the ten before them: with fewer, a pause between slow answers counts as warm.
_LAST, _BEFORE = 5, 10
_QUICKER = 0.9


class WarmUp:
    """The latencies of requests that are sent one at a time."""

    def __init__(self) -> None:
        self._latencies_s: deque[float] = deque(maxlen=_LAST + _BEFORE)

    def add(self, latency_s: float) -> None:
        self._latencies_s.append(latency_s)

    @property
    def is_warm(self) -> bool:
        """Whether the last answers were no longer a tenth quicker than those before."""
        values = list(self._latencies_s)
        return len(values) == _LAST + _BEFORE and median(values[-_LAST:]) >= _QUICKER * median(values[:_BEFORE])

    @property
    def median_s(self) -> float | None:
        """The median latency of the last answers; None before the first."""
        return median(self._latencies_s) if self._latencies_s else None
