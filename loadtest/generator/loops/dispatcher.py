"""Where requests that are due meet users that are free."""

from collections.abc import Callable
from dataclasses import dataclass

from gevent.event import AsyncResult


@dataclass(frozen=True, slots=True)
class Order:
    """One request of a schedule: `due_s` on the performance counter. `ended` hears how long after that it ended."""

    due_s: float
    phase: str
    ended: Callable[[float, bool], None] | None = None


class Desk:
    """Free users wait here; the one that came last goes first, so that as few connections as possible grow cold.

    `busy` is how many have an order.
    """

    def __init__(self) -> None:
        self._free: list[AsyncResult] = []
        self._closed = False
        self.busy = 0

    @property
    def free(self) -> int:
        """How many users wait."""
        return len(self._free)

    def wait(self) -> Order | None:
        """The next order for this user; None when there will be no more."""
        if self._closed:
            return None
        mine = AsyncResult()
        self._free.append(mine)
        try:
            order: Order | None = mine.get()
        finally:
            if mine in self._free:
                self._free.remove(mine)
        return order

    def give(self, order: Order) -> bool:
        """Hand it to a free user, who says `done` afterwards; False when there is none."""
        if not self._free:
            return False
        self.busy += 1
        self._free.pop().set(order)
        return True

    def done(self) -> None:
        """The user who had an order has it no more, whatever became of it."""
        self.busy -= 1

    def close(self) -> None:
        """Send everybody home, now and when they are free again."""
        self._closed = True
        while self._free:
            self._free.pop().set(None)
