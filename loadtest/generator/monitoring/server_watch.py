"""Why a test ends before its time, and the look at a server that no longer answers."""

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import gevent.socket

from loadtest.generator.plan import Plan
from loadtest.generator.recorder import Recorder

# How long a connection is waited for, in seconds.
_PROBE_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Stop:
    """`cause` is one of `interrupted`, `caller_gone`, `server_gone`, `rows_not_written`, `worker_lost`."""

    cause: str
    detail: str


class ServerWatch:
    """Sees by the rows of this process whether the server is still there."""

    def __init__(self, plan: Plan, recorder: Recorder) -> None:
        self._plan = plan
        self._recorder = recorder

    def gone(self, patience_s: float) -> Stop | None:
        """Whether nothing was answered for `patience_s`, and there is no connection to be had.

        A server that is only slow still takes connections.
        """
        since_s = self._recorder.unanswered_since_s
        if since_s is None or (failing_s := time.monotonic() - since_s) < patience_s:
            return None
        if (refusal := self._refusal()) is None:
            return None
        return Stop(
            "server_gone",
            f"nothing was answered for {failing_s:.1f} s ({self._recorder.unanswered_in_a_row} requests in a row, "
            f"the last with {self._recorder.last_error}), and {self._plan.base_url} takes no connection ({refusal})",
        )

    def _refusal(self) -> str | None:
        url = urlsplit(self._plan.base_url)
        address = (url.hostname, url.port or {"http": 80, "https": 443}[url.scheme])
        try:
            gevent.socket.create_connection(address, timeout=_PROBE_TIMEOUT_S).close()
        except OSError as cause:
            return cause.strerror or str(cause)
        return None
