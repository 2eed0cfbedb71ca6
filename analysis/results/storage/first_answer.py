"""The first request to a bucket, which has to be answered within seconds: later ones are repeated for longer.

Google's client repeats a request for which it gets no access token, as if the network were down, so without credentials
the first sign of that would come after a minute or two.
"""

import threading

from analysis.results.storage.file_system import open_uri

# Google's client asks again after one to two seconds, then pauses for two to four and gives up.
_RETRY_S = 2
# A request without an answer may wait for two minutes in Google's client (DownloadStallTimeoutOption).
_LIMIT_S = 8.0

_answered: set[str] = set()


def require_answer(uri: str, retry_s: int) -> None:
    """Ask a bucket whether a file exists, once for each process; raises OSError, or an ArrowException."""
    if uri in _answered:
        return
    failures: list[Exception | None] = []

    def ask() -> None:
        try:
            filesystem, root = open_uri(uri, min(retry_s, _RETRY_S))
            filesystem.get_file_info(f"{root}/runs")
            failures.append(None)
        except Exception as error:  # noqa: BLE001 - raised below, in the caller's thread
            failures.append(error)

    # A daemon: a request that waits on keeps no process alive.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_LIMIT_S)
    if not failures:
        raise TimeoutError(f"it did not answer within {_LIMIT_S:g} s")
    if failures[0]:
        raise failures[0]
    _answered.add(uri)
