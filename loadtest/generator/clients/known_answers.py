"""Checks equal answers once: bytes that were correct before are correct again. Standard library only."""

from collections import deque
from collections.abc import Callable

# How many different correct answers are kept: one for each batch size that a batching server may use.
_KEPT = 32


class KnownAnswers:
    """A model answers equal requests with equal bytes.

    So comparing is exact, and a hundred times cheaper than checking a thousand numbers. Only correct answers are kept.
    """

    def __init__(self, examine: Callable[[bytes], str | None]) -> None:
        """`examine` returns the class of error, or None when the answer is correct."""
        self._examine = examine
        self._passed: deque[bytes] = deque(maxlen=_KEPT)

    def error_of(self, content: bytes) -> str | None:
        """The class of error, or None when the answer is correct."""
        for passed in self._passed:
            if content == passed:
                return None
        error = self._examine(content)
        if error is None:
            self._passed.appendleft(content)
        return error
