"""An event loop with simulated time: where nothing is ready, the clock jumps to the next timer."""

import asyncio
import selectors


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Takes no real time to sleep. `start_s` is what `time` begins at."""

    def __init__(self, start_s: float = 0) -> None:
        self._now_s = start_s
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        return self._now_s

    def jump(self, seconds: float) -> None:
        """Let so much time pass."""
        self._now_s += seconds


class _JumpingSelector(selectors.SelectSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("Every coroutine of the simulation waits for another one, and no timer is set.")
        self._loop.jump(max(timeout, 0))
        return super().select(0) if timeout <= 0 else []
