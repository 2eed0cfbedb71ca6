"""A run's metrics by OTLP: its progress while it goes on, and its figures once it is stored.

They are sent where OpenTelemetry's own variables name a receiver, and nowhere without them:
https://opentelemetry.io/docs/specs/otel/protocol/exporter/. A receiver that fails costs no run.
"""

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from loadtest.run.progress import Progress

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from opentelemetry.sdk.metrics.export import MetricExporter

_HTTP, _GRPC = "http/protobuf", "grpc"
# Unless the variables of the same purpose say otherwise: a run lasts minutes, and waits for its receiver at the end.
_INTERVAL_S, _TIMEOUT_S, _END_WITHIN_S = 5.0, 3.0, 5.0
_LOG = logging.getLogger("opentelemetry")
# The parser of headers quotes the wrong one, which may be a password.
_HEADER_LOG = "opentelemetry.util.re"
_ERRNO = re.compile(r"\[Errno -?\d+\] [\w ]+")
_LONGEST_REASON = 200

Labels = Mapping[str, str]
Tell = Callable[[str], None]


class LiveMetrics:
    """The metrics of one run. Each method may be called from any thread."""

    def __init__(self, meter: "Meter", labels: Labels) -> None:
        self._meter, self._labels = meter, labels
        self._requests = meter.create_counter("shapebench.requests", "{request}", "requests that have ended")
        self._failed = meter.create_counter("shapebench.failed_requests", "{request}", "those without a good answer")
        self._response = meter.create_gauge("shapebench.response_time", "s", "of good answers in the last seconds")
        self._users = meter.create_gauge("shapebench.users", "{user}", "users, or requests in flight")
        self._elapsed = meter.create_gauge("shapebench.elapsed", "s", "since the load began")
        self._planned = meter.create_gauge("shapebench.planned_duration", "s", "of the whole load")
        self._counted = self._failures = 0

    def progress(self, progress: Progress) -> None:
        self.count(progress.requests, progress.errors)
        for quantile, value_ms in (("0.5", progress.p50_ms), ("0.99", progress.p99_ms)):
            if value_ms is not None:
                self._response.set(value_ms / 1000, {**self._labels, "quantile": quantile})
        self._users.set(progress.users, self._labels)
        self._elapsed.set(progress.elapsed_s, self._labels)
        self._planned.set(progress.total_s, self._labels)

    def count(self, requests: int, failures: int) -> None:
        """Set how many requests have ended since the load began, and how many of them without a good answer."""
        # A generator process that is lost takes its counts with it, and a counter never falls.
        self._requests.add(max(0, requests - self._counted), self._labels)
        self._failed.add(max(0, failures - self._failures), self._labels)
        self._counted = max(self._counted, requests)
        self._failures = max(self._failures, failures)

    def stored(self, figures: Mapping[str, float]) -> None:
        """Each figure of the stored run is the gauge `shapebench.result.<name>`."""
        for name, value in figures.items():
            self._meter.create_gauge(f"shapebench.result.{name}").set(value, self._labels)


@dataclass(frozen=True)
class Receiver:
    """Where OpenTelemetry's variables send metrics; `variable` is the one with the address."""

    variable: str
    address: str
    protocol: str

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self | None:
        """None where no receiver is named, or sending is switched off."""
        exporters = environment.get("OTEL_METRICS_EXPORTER") or "otlp"
        if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or "otlp" not in exporters.split(","):
            return None
        for variable in ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"):
            if address := environment.get(variable, "").strip():
                protocol = (
                    environment.get("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL")
                    or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
                    or _HTTP
                )
                return cls(variable, address, protocol)
        return None

    @property
    def shown(self) -> str:
        """The address without a password."""
        return self.without_password(self.address)

    def without_password(self, text: str) -> str:
        """A text that may quote the address."""
        user, at, _ = urlsplit(self.address).netloc.rpartition("@")
        return text.replace(user + at, "") if at else text

    def exporter(self) -> "MetricExporter":
        """Raises ValueError or OSError where one of its variables is wrong."""
        # Half a second to import, and most runs are watched by nobody.
        if self.protocol == _HTTP:
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

            return OTLPMetricExporter(timeout=_unless_said("TIMEOUT", _TIMEOUT_S))
        if self.protocol == _GRPC:
            from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc  # noqa: PLC0415

            return grpc.OTLPMetricExporter(timeout=_unless_said("TIMEOUT", _TIMEOUT_S))
        raise ValueError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {self.protocol}; {_HTTP} and {_GRPC} are known")


def _unless_said(purpose: str, value: float) -> float | None:
    variables = (f"OTEL_EXPORTER_OTLP_METRICS_{purpose}", f"OTEL_EXPORTER_OTLP_{purpose}")
    return None if any(os.environ.get(variable) for variable in variables) else value


@contextmanager
def live_metrics(labels: Labels, tell: Tell) -> Iterator[LiveMetrics | None]:
    """Metrics that are sent every few seconds, and once more at the end of the block; None without a receiver.

    `tell` gets one line at most: the first failure of the receiver.
    """
    receiver = Receiver.of(os.environ)
    if receiver is None:
        yield None
        return
    # As for the exporters.
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415

    with _failures_told(receiver, tell) as failures:
        try:
            exporter = receiver.exporter()
        except (ValueError, OSError) as error:
            failures.say(str(error))
            yield None
            return
        interval_ms = None if os.environ.get("OTEL_METRIC_EXPORT_INTERVAL") else _INTERVAL_S * 1000
        reader = PeriodicExportingMetricReader(exporter, interval_ms)
        resource = Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or "shapebench"})
        provider = MeterProvider([reader], resource, shutdown_on_exit=False)
        try:
            yield LiveMetrics(provider.get_meter("shapebench"), labels)
        finally:
            provider.shutdown(timeout_millis=_END_WITHIN_S * 1000)


@contextmanager
def _failures_told(receiver: Receiver, tell: Tell) -> Iterator["_Failures"]:
    """The library says what fails in its log alone, which nobody reads here."""
    failures = _Failures(receiver, tell)
    _LOG.propagate = False
    _LOG.addHandler(failures)
    try:
        yield failures
    finally:
        _LOG.removeHandler(failures)


class _Failures(logging.Handler):
    """Tells the first failure, in one line and without secrets."""

    def __init__(self, receiver: Receiver, tell: Tell) -> None:
        super().__init__(logging.WARNING)
        self._receiver, self._tell = receiver, tell
        self._reason = ""
        self._told = False

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == _HEADER_LOG:
            self.say("a part of OTEL_EXPORTER_OTLP_HEADERS is not of the form name=value")
        elif record.levelno < logging.ERROR:  # it tries again
            self._reason = record.getMessage()
        else:
            self.say(self._reason or record.getMessage())

    def say(self, reason: str) -> None:
        if self._told:
            return
        self._told = True
        short = found[0] if (found := _ERRNO.search(reason)) else reason.rstrip(".")[:_LONGEST_REASON]
        self._tell(
            f"the metrics of this run do not reach {self._receiver.shown}: {self._receiver.without_password(short)}."
            f" The run goes on without them; correct {self._receiver.variable} and its like, or start the receiver"
        )
