"""What the servers count themselves, from their Prometheus pages, on the rows' time of day. Standard library only.

On TF Serving's REST port, whatever protocol is measured. `loadtest.result.samples` reads the file.
"""

import contextlib
import http.client
import re
import threading
import time
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from loadtest.generator.plan import Plan

_SERVING = ":tensorflow:serving:"
_LINE = re.compile(rf"{_SERVING}([a-z_:]+)(?:\{{(.*)\}})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

# Sums and counts of TF Serving's histograms, and its counters, by the names that they have in the samples.
_TOTALS = {
    "request_latency_sum": "request_latency_us_sum",
    "request_latency_count": "request_latency_count",
    "runtime_latency_sum": "runtime_latency_us_sum",
    "runtime_latency_count": "runtime_latency_count",
    "batching_session:queuing_latency_sum": "queuing_latency_us_sum",
    "batching_session:queuing_latency_count": "queuing_latency_count",
    "batching_session:wrapped_run_count": "batches_total",
}
OK, FAILED = "requests_ok_total", "requests_failed_total"

# A page has a thousand lines, which cost a server a millisecond or two; Prometheus itself asks every 15 s or so.
_INTERVAL_S = 5.0
_TIMEOUT_S = 2.0


def counts_in(page: str, model_name: str) -> dict[str, float]:
    """All that was counted since the server began: of requests to this model, and of batches of whatever model.

    Over REST the page counts questions about the model's status as requests, too, and calls the API `predict`, over
    gRPC `Predict`; latencies are here of predictions only. Sums are in microseconds.
    """
    counts: dict[str, float] = {}
    for name, labels, value in _lines(page):
        if labels.get("model_name", model_name) != model_name or labels.get("API", "predict").lower() != "predict":
            continue
        quantity = _TOTALS.get(name)
        if name == "request_count":
            quantity = OK if labels.get("status") == "OK" else FAILED
        if quantity:
            counts[quantity] = counts.get(quantity, 0.0) + value
    return counts


def _lines(page: str) -> Iterable[tuple[str, dict[str, str], float]]:
    for line in page.splitlines():
        if match := _LINE.fullmatch(line):
            with contextlib.suppress(ValueError):
                yield match[1], dict(_LABEL.findall(match[2] or "")), float(match[3])


class Counters:
    """A context manager: inside of it a thread notes every few seconds what each server has counted.

    At once, too, when it begins; not when it ends. What cannot be fetched is not noted.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._note_often, name="counters", daemon=True)

    def __enter__(self) -> Self:
        if self._plan.pages:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._plan.pages:
            self._thread.join(_TIMEOUT_S)

    def _note_often(self) -> None:
        while not self._over.is_set():
            note(self._plan)
            self._over.wait(_INTERVAL_S)


def note(plan: Plan) -> None:
    """Append what each server has counted until now. All are asked at once, so one that hangs keeps nobody waiting."""
    if not plan.pages:
        return
    with ThreadPoolExecutor(len(plan.pages)) as pool:
        fetched = dict(zip(plan.pages, pool.map(_fetched, plan.pages.values()), strict=True))
    lines = "".join(
        f"{at_us},{server},{quantity},{value:.15g}\n"
        for server, (page, at_us) in fetched.items()
        for quantity, value in counts_in(page, plan.model_name).items()
    )
    # What cannot be written is like what cannot be fetched. One write, since several processes append here.
    with contextlib.suppress(OSError), Path(plan.counters_path).open("ab", buffering=0) as file:
        file.write(lines.encode())


def _fetched(url: str) -> tuple[str, int]:
    """The page, empty where there is none or not in time, and when it came, in microseconds of the epoch."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_TIMEOUT_S) as answer:
            page: bytes = answer.read()
    except (OSError, http.client.HTTPException):  # URLError is an OSError
        page = b""
    return page.decode(errors="replace"), round(time.time() * 1e6)


def main() -> None:
    """Note once, for the plan that the environment names."""
    note(Plan.from_environment())


if __name__ == "__main__":
    main()
