"""Judges answers once: bytes that passed in full before pass again by comparison. Standard library only."""

from collections import deque
from collections.abc import Callable

# How many different right answers are remembered: one for each batch size that a batching server may have used.
_REMEMBERED = 32


class KnownAnswers:
    """A model that computes the same twice answers the same bytes twice.

    So comparing is exact, and a hundred times cheaper than examining a thousand numbers. Only right answers are known.
    """

    def __init__(self, examine: Callable[[bytes], str | None]) -> None:
        """`examine` gives the class of error, or None when the answer is right."""
        self._examine = examine
        self._passed: deque[bytes] = deque(maxlen=_REMEMBERED)

    def error_of(self, content: bytes) -> str | None:
        """The class of error, or None when the answer is right."""
        for passed in self._passed:
            if content == passed:
                return None
        error = self._examine(content)
        if error is None:
            self._passed.appendleft(content)
        return error
