"""A thread that watches the cluster while a test runs."""

import threading
from abc import ABC, abstractmethod
from typing import Self

# How long the end of a test waits for a call that still runs, in seconds.
_JOIN_S = 5.0


class Background(ABC):
    """A context manager: inside it a thread looks again and again, until the end of the block."""

    def __init__(self, name: str, interval_s: float) -> None:
        self._interval_s = interval_s
        self._stopped = threading.Event()
        # A daemon: it may be waiting for a lost connection when the plugin ends.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        try:
            while True:
                self._look()
                if self._stopped.wait(self._interval_s):
                    return
        finally:
            self._end()

    @abstractmethod
    def _look(self) -> None:
        """Look once."""

    def _end(self) -> None:  # noqa: B027 - most leave nothing open
        """Close what is open."""
