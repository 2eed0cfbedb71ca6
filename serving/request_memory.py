"""One budget for the memory of all requests in flight, over both APIs.

A request asks for its part before it is received, and gives it back with its answer. One that finds no room waits, and
the newest is let in first: under overload those that waited long are the ones whose callers give up (adaptive LIFO, Ben
Maurer, "Fail at Scale", ACM Queue 13(8), 2015). While some wait, a request that takes long to arrive loses its part.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from http import HTTPStatus

from serving.errors import Code, ServingError
from serving.memory import return_memory, trim

# How long a request waits for room: as long as one over REST may take at all (tensorflow_model_server's default), since
# the server that this one stands for lets requests queue.
WAIT_S = 30.0
# How long one may take to arrive while others wait. On two busy cores 150 users took more than a second.
SLOW_S = 3.0
# From the first byte of a request to its last: 32 MiB at 5 Mbit/s.
RECEIVE_S = 60.0
_RETRY_AFTER_S = 1
# Each may hold what its connection reads ahead: 64 KiB over gRPC, 256 KiB over REST.
MOST_WAITING = 1024
_LOOK_S, _LOOK_WHILE_WAITING_S = 1.0, 0.05
_TRIM_AGAIN_S = 10.0
# What requests of this share of the budget leave behind is trimmed while others are still served.
_LARGE_SHARE = 1 / 16


class Part:
    """The part of one request. It is lost when the request takes too long to arrive, and then `lose` is called."""

    def __init__(self, budget: "RequestMemory", size: int, lose: Callable[[], None]) -> None:
        self.size = size
        self.lose = lose
        self.is_lost = False
        self._budget = budget

    def arrived(self, size: int) -> bool:
        """The request is here and takes `size` bytes. False if it is lost; otherwise it no longer can be."""
        return self._budget.arrived(self, size)

    def give_back(self) -> None:
        self._budget.give_back(self)


class RequestMemory:
    """Parts may be asked for and given back by any thread; `look`, again and again, ends what takes too long."""

    def __init__(self, total_bytes: int, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._total = total_bytes
        self._clock_s = clock_s
        self._used = self._peak = 0
        self._trims_at_s: list[float] = []
        self._given_back_by_large = 0
        # By arrival, oldest first, with the moment from which each counts.
        self._arriving: OrderedDict[Part, float] = OrderedDict()
        self._waiting: OrderedDict[Future[Part], tuple[Part, float]] = OrderedDict()
        self._changed = threading.Condition()

    def watch(self) -> None:
        """Look until the process ends."""
        threading.Thread(target=self._look_again_and_again, name="request-memory", daemon=True).start()

    @property
    def used_bytes(self) -> int:
        return self._used

    def ask(self, size: int, lose: Callable[[], None]) -> Future[Part]:
        """The part for a request of `size` bytes, at once or later; RESOURCE_EXHAUSTED if there is no room in time."""
        part = Part(self, min(size, self._total), lose)
        future: Future[Part] = Future()
        refused = None
        with self._changed:
            if self._used + part.size <= self._total:
                self._take(part)
                future.set_result(part)
                return future
            if len(self._waiting) >= MOST_WAITING:
                refused, _ = self._waiting.popitem(last=False)
            self._waiting[future] = part, self._clock_s()
            self._changed.notify()
        if refused:
            _refuse(refused)
        return future

    def arrived(self, part: Part, size: int) -> bool:
        with self._changed:
            if self._arriving.pop(part, None) is None:
                return False
            self._count(size - part.size)
            part.size = size
        self._let_in()
        return True

    def give_back(self, part: Part) -> None:
        with self._changed:
            self._arriving.pop(part, None)
            self._count(-part.size)
            if part.size >= self._total * _LARGE_SHARE:
                self._given_back_by_large += part.size
                if self._leaves_much:
                    self._changed.notify()
            part.size = 0
        self._let_in()

    def _take(self, part: Part) -> None:
        self._count(part.size)
        self._arriving[part] = self._clock_s()

    def _count(self, more: int) -> None:
        self._used += more
        self._peak = max(self._peak, self._used)

    def _let_in(self) -> None:
        """Give what is free to the newest. A smaller one that is older waits, or a large one never found room."""
        if not self._waiting:
            return
        let_in = []
        with self._changed:
            while self._waiting:
                future, (part, _) = next(reversed(self._waiting.items()))
                if self._used + part.size > self._total:
                    break
                del self._waiting[future]
                self._take(part)
                let_in.append((future, part))
        for future, part in let_in:
            # One whose caller no longer waits keeps nothing.
            if future.set_running_or_notify_cancel():
                future.set_result(part)
            else:
                part.give_back()

    def _look_again_and_again(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(_LOOK_WHILE_WAITING_S if self._waiting else _LOOK_S)
            self.look()

    def look(self) -> None:
        self._end_what_takes_too_long()
        self._let_in()
        self._return_memory()

    def _end_what_takes_too_long(self) -> None:
        now_s = self._clock_s()
        with self._changed:
            refused = [future for future, (_, since_s) in self._waiting.items() if now_s - since_s > WAIT_S]
            for future in refused:
                del self._waiting[future]
            lost = []
            wanted = next(reversed(self._waiting.values()))[0].size if self._waiting else 0
            for part, since_s in list(self._arriving.items()):
                longest_s = SLOW_S if wanted and self._used + wanted > self._total else RECEIVE_S
                if now_s - since_s <= longest_s:
                    break
                del self._arriving[part]
                self._count(-part.size)
                part.size, part.is_lost = 0, True
                lost.append(part)
        for future in refused:
            _refuse(future)
        for part in lost:
            part.lose()

    @property
    def _leaves_much(self) -> bool:
        return self._given_back_by_large > self._total / 2

    def _return_memory(self) -> None:
        """After a burst: glibc keeps what was freed in the heaps of the threads that took it."""
        now_s = self._clock_s()
        with self._changed:
            if self._peak > self._total / 2 and self._used < self._peak / 4:
                self._peak = self._used
                # And again, for what the connections and threads of the burst hold a little longer.
                self._trims_at_s = [now_s, now_s + _TRIM_AGAIN_S]
            is_due = bool(self._trims_at_s) and now_s >= self._trims_at_s[0]
            if is_due:
                del self._trims_at_s[0]
            leaves_much = self._leaves_much
            if is_due or leaves_much:
                self._given_back_by_large = 0
        if is_due:
            return_memory()
        elif leaves_much:
            # Without collecting, which would stop the threads that serve.
            trim()


def no_room(reason: str) -> ServingError:
    """The error for a request that has no part of the budget."""
    return ServingError(
        Code.RESOURCE_EXHAUSTED,
        f"{reason}; send this request again, or start the server with a larger --request_memory_bytes",
        HTTPStatus.SERVICE_UNAVAILABLE,
        retry_after_s=_RETRY_AFTER_S,
    )


def too_slow() -> ServingError:
    """The error for a request that lost its part."""
    return no_room(f"This request took more than {SLOW_S:g} s to arrive while others waited for memory")


def _refuse(future: "Future[Part]") -> None:
    with suppress(Exception):
        if future.set_running_or_notify_cancel():
            future.set_exception(no_room("Other requests in flight take all the memory that there is for them"))
