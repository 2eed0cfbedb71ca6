"""Why a test ends early, and the server watch: the check that the server still answers."""

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

import gevent.socket

from loadtest.generator.recorder import Recorder

# How long a connection may take, in seconds.
_CONNECT_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Stop:
    """`cause` is a key of `_STOPS` in loadtest.result.validity.termination."""

    cause: str
    detail: str


def server_gone(base_url: str, recorder: Recorder, after_s: float) -> Stop | None:
    """The stop where no request was answered for `after_s` and the server accepts no connection; else None.

    By the rows of this worker. A server that is only slow still accepts connections.
    """
    since_s = recorder.unanswered_since_s
    if since_s is None or (failing_s := time.monotonic() - since_s) < after_s:
        return None
    url = urlsplit(base_url)
    address = (url.hostname, url.port or {"http": 80, "https": 443}[url.scheme])
    try:
        gevent.socket.create_connection(address, timeout=_CONNECT_TIMEOUT_S).close()
    except OSError as error:
        return Stop(
            "server_gone",
            f"no request was answered for {failing_s:.1f} s ({recorder.unanswered_in_a_row} requests in a row, "
            f"the last with {recorder.last_error}), and {base_url} accepts no connection"
            f" ({error.strerror or error})",
        )
    return None
