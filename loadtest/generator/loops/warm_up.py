"""When a server is warm: its answers no longer get quicker. Pure; standard library only."""

from collections import deque
from statistics import median

# The last five answers are compared with the ten before them: fewer would call a pause between slow answers warm.
_LAST, _BEFORE = 5, 10
_QUICKER = 0.9


class Warmth:
    """Hears the latency of one answer after another, asked one at a time."""

    def __init__(self) -> None:
        self._last: deque[float] = deque(maxlen=_LAST + _BEFORE)

    def note(self, latency_s: float) -> None:
        """One more answer."""
        self._last.append(latency_s)

    @property
    def is_warm(self) -> bool:
        """Whether the last answers were not a tenth quicker than those before."""
        values = list(self._last)
        return len(values) == _LAST + _BEFORE and median(values[-_LAST:]) >= _QUICKER * median(values[:_BEFORE])

    @property
    def typical_s(self) -> float | None:
        """The median of the last answers; None before the first."""
        return median(self._last) if self._last else None

    @property
    def variability(self) -> float:
        """The squared coefficient of variation of the last answers, from their quartiles: stragglers do not count."""
        if len(self._last) < _LAST:
            return 0.0
        ordered = sorted(self._last)
        quarter = len(ordered) // 4
        # The quartiles of a normal law lie 1.349 standard deviations apart.
        return ((ordered[-1 - quarter] - ordered[quarter]) / 1.349 / median(ordered)) ** 2
