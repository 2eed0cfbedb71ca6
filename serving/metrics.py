"""The embedded server's metrics, with TF Serving's names, as a Prometheus page."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest

from serving.errors import Code, ServingError

# TF Serving's page has no `_created` series.
disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus-client leaves it untyped


def _exponential_buckets(first: float, factor: float, count: int) -> list[float]:
    return [first * factor**exponent for exponent in range(count)]


class Metrics:
    """The metrics of one server. Latencies are in microseconds, in TF Serving's buckets."""

    def __init__(self, model_name: str) -> None:
        self._model_name = model_name
        self._registry = CollectorRegistry()
        latency_us = _exponential_buckets(10, 1.8, 33)
        self._request_count = Counter(
            ":tensorflow:serving:request_count",
            "The total number of requests.",
            ["model_name", "status"],
            registry=self._registry,
        )
        self._request_latency = Histogram(
            ":tensorflow:serving:request_latency",
            "Distribution of wall time (in microseconds) for a request.",
            ["model_name", "API", "entrypoint"],
            buckets=latency_us,
            registry=self._registry,
        )
        self._runtime_latency = Histogram(
            ":tensorflow:serving:runtime_latency",
            "Distribution of wall time (in microseconds) for the TensorFlow runtime.",
            ["model_name", "API", "runtime"],
            buckets=latency_us,
            registry=self._registry,
        ).labels(model_name, "Predict", "TF2")
        self.queuing_latency_us = Histogram(
            ":tensorflow:serving:batching_session:queuing_latency",
            "Distribution of wall time spent (in microseconds) in queuing.",
            buckets=_exponential_buckets(100, 1.2, 52),
            registry=self._registry,
        )
        self.processed_batch_size = Histogram(
            ":tensorflow:serving:batching_session:processed_batch_size",
            "Distribution of the number of rows in a batch.",
            buckets=_exponential_buckets(1, 2, 11),
            registry=self._registry,
        )
        self.wrapped_run_count = Counter(
            ":tensorflow:serving:batching_session:wrapped_run_count",
            "Total count of batches that were run.",
            registry=self._registry,
        )

    @contextmanager
    def predict_request(self, entrypoint: Literal["REST", "GRPC"]) -> Iterator[None]:
        """Count one Predict request and time it. An exception that leaves the block sets its status."""
        start_s = time.perf_counter()
        code = Code.INTERNAL
        try:
            yield
            code = Code.OK
        except ServingError as error:
            code = error.code
            raise
        finally:
            self._request_count.labels(self._model_name, code.name).inc()
            latency_us = (time.perf_counter() - start_s) * 1e6
            self._request_latency.labels(self._model_name, "Predict", entrypoint).observe(latency_us)

    @contextmanager
    def runtime(self) -> Iterator[None]:
        """Time one run of the model, including the wait for its batch when batching is on."""
        start_s = time.perf_counter()
        yield
        self._runtime_latency.observe((time.perf_counter() - start_s) * 1e6)

    def page(self) -> bytes:
        """The metrics in the Prometheus text format."""
        # The library appends `_total` to every counter; TF Serving's counters end in `_count`.
        return generate_latest(self._registry).replace(b"_count_total", b"_count")
