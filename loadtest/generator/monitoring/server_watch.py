"""Why a test ends early, and the server watch: the check that the server still answers."""

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import gevent.socket

from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.recorder import Recorder

# How long a connection may take, in seconds.
_CONNECT_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Stop:
    """`cause` is one of `interrupted`, `caller_gone`, `server_gone`, `rows_not_written`, `worker_lost`."""

    cause: str
    detail: str


class ServerWatch:
    """Checks by the rows of this worker whether the server still answers."""

    def __init__(self, plan: LoadTestPlan, recorder: Recorder) -> None:
        self._plan = plan
        self._recorder = recorder

    def gone(self, after_s: float) -> Stop | None:
        """The stop where no request was answered for `after_s` and the server accepts no connection; else None.

        A server that is only slow still accepts connections.
        """
        since_s = self._recorder.unanswered_since_s
        if since_s is None or (failing_s := time.monotonic() - since_s) < after_s:
            return None
        if (error := self._connection_error()) is None:
            return None
        return Stop(
            "server_gone",
            f"no request was answered for {failing_s:.1f} s ({self._recorder.unanswered_in_a_row} requests in a row, "
            f"the last with {self._recorder.last_error}), and {self._plan.base_url} accepts no connection ({error})",
        )

    def _connection_error(self) -> str | None:
        url = urlsplit(self._plan.base_url)
        address = (url.hostname, url.port or {"http": 80, "https": 443}[url.scheme])
        try:
            gevent.socket.create_connection(address, timeout=_CONNECT_TIMEOUT_S).close()
        except OSError as cause:
            return cause.strerror or str(cause)
        return None
