"""Checks, before anything is measured, that the results store can be written."""

import threading

from analysis.results.storage.store import ResultsStore
from analysis.results.storage.store_files import StoreError
from provider.resource import ResourceError

# With what Pulumi itself takes, `pulumi up` ends within 10 s. A request without an answer may wait for two minutes in
# Google's client (DownloadStallTimeoutOption), whatever the limit of its repetitions.
LIMIT_S = 4.0
_RETRY_S = 2


def require_writable(uri: str, limit_s: float = LIMIT_S) -> None:
    """Write a small file into the results store and remove it; raises ResourceError if that fails or takes too long."""
    answers: list[StoreError | None] = []

    def check() -> None:
        try:
            ResultsStore(uri, _RETRY_S).check_writable()
            answers.append(None)
        except StoreError as error:
            answers.append(error)

    # A daemon: a request that waits on keeps no process alive.
    checking = threading.Thread(target=check, daemon=True)
    checking.start()
    checking.join(limit_s)
    if not answers:
        raise ResourceError(
            f"the results store '{uri}' did not answer within {limit_s:g} s, so nothing was measured; check the network"
            " and your credentials (`gcloud auth application-default login`), then try again"
        )
    if answers[0]:
        raise ResourceError(f"{answers[0]}. Nothing was measured") from answers[0]
