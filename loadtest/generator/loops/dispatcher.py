"""Hands due requests to free users."""

from gevent.event import AsyncResult

from loadtest.generator.loops.arrivals import Arrival


class Dispatcher:
    """Free users wait here. The last one to come gets the next request, so that few connections grow cold."""

    def __init__(self) -> None:
        self._waiting: list[AsyncResult] = []
        self._closed = False
        self.in_flight = 0

    @property
    def free_users(self) -> int:
        return len(self._waiting)

    def next_arrival(self) -> Arrival | None:
        """Wait for a request for this user; None when there are no more."""
        if self._closed:
            return None
        result = AsyncResult()
        self._waiting.append(result)
        try:
            arrival: Arrival | None = result.get()
        finally:
            if result in self._waiting:
                self._waiting.remove(result)
        return arrival

    def dispatch(self, arrival: Arrival) -> bool:
        """Hand a request to a free user, which must call `release` afterwards; False when no user is free."""
        if not self._waiting:
            return False
        self.in_flight += 1
        self._waiting.pop().set(arrival)
        return True

    def release(self) -> None:
        self.in_flight -= 1

    def close(self) -> None:
        """End the wait of all users, now and when they are free again."""
        self._closed = True
        while self._waiting:
            self._waiting.pop().set(None)
