"""Reads the servers' own counters from their Prometheus pages, once every few seconds. Standard library only.

The pages are on TF Serving's REST port, whichever protocol is measured. `loadtest.result.samples` reads the file.
"""

import contextlib
import http.client
import re
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.pods import IS_FIRST_POD

_SERVING = ":tensorflow:serving:"
_LINE = re.compile(rf"{_SERVING}([a-z_:]+)(?:\{{(.*)\}})? (\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

# The names in the samples of TF Serving's counters, and of the sums and counts of its histograms.
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

# A page has a thousand lines, which cost a server a millisecond or two; Prometheus itself scrapes about every 15 s.
_INTERVAL_S = 5.0
_TIMEOUT_S = 2.0


def counts_in(page: str, model_name: str) -> dict[str, float]:
    """All counts since the server started: of requests to this model, and of batches of any model.

    The API is `predict` over REST and `Predict` over gRPC. Over REST the page also counts requests for the model's
    status; latencies are of predictions only. Sums are in microseconds.
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


@contextlib.contextmanager
def counters_written(plan: LoadTestPlan) -> Iterator[None]:
    """Inside it a thread writes the counters of each server every few seconds.

    It writes them when it begins, but not when it ends. A page that cannot be fetched is left out.
    """
    over = threading.Event()

    def write() -> None:
        while not over.is_set():
            append_counters(plan)
            over.wait(_INTERVAL_S)

    thread = threading.Thread(target=write, name="counters", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_TIMEOUT_S)


def append_counters(plan: LoadTestPlan) -> None:
    """Append the counters of each server. All pages are fetched at once, so one that hangs delays no other.

    Of several pods of the generator the first one does it.
    """
    if not plan.counter_urls or not IS_FIRST_POD:
        return
    with ThreadPoolExecutor(len(plan.counter_urls)) as pool:
        fetched = dict(zip(plan.counter_urls, pool.map(_fetched, plan.counter_urls.values()), strict=True))
    lines = "".join(
        f"{at_us},{server},{quantity},{value:.15g}\n"
        for server, (page, at_us) in fetched.items()
        for quantity, value in counts_in(page, plan.model_name).items()
    )
    # As with a page, what cannot be written is left out. One write, since several processes append to the file.
    with contextlib.suppress(OSError), Path(plan.counters_path).open("ab", buffering=0) as file:
        file.write(lines.encode())


def _fetched(url: str) -> tuple[str, int]:
    """The page, empty where it did not come in time, and its time in microseconds of the epoch."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=_TIMEOUT_S) as answer:
            page: bytes = answer.read()
    except (OSError, http.client.HTTPException):  # URLError is an OSError
        page = b""
    return page.decode(errors="replace"), round(time.time() * 1e6)
