"""Receivers of OTLP on the loopback, over HTTP and gRPC, which keep what they get."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from tests.support.loopback import serve_http


@dataclass
class Received:
    """What a receiver got: the newest value of each metric, by its name and, where it has one, its quantile."""

    url: str = ""
    requests: list[ExportMetricsServiceRequest] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int = 200

    @property
    def values(self) -> dict[str, float]:
        return {name: value for name, value, _ in self._points()}

    @property
    def labels(self) -> list[dict[str, str]]:
        return [labels for _, _, labels in self._points()]

    @property
    def services(self) -> set[str]:
        return {
            attribute.value.string_value
            for request in self.requests
            for of_resource in request.resource_metrics
            for attribute in of_resource.resource.attributes
            if attribute.key == "service.name"
        }

    def _points(self) -> Iterator[tuple[str, float, dict[str, str]]]:
        for request in self.requests:
            for of_resource in request.resource_metrics:
                for of_scope in of_resource.scope_metrics:
                    for metric in of_scope.metrics:
                        for point in (metric.sum if metric.HasField("sum") else metric.gauge).data_points:
                            labels = {attribute.key: attribute.value.string_value for attribute in point.attributes}
                            name = " ".join(filter(None, (metric.name, labels.pop("quantile", ""))))
                            value = point.as_int if point.HasField("as_int") else point.as_double
                            yield name, value, labels


@contextmanager
def http_receiver() -> Iterator[Received]:
    got = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.headers.append({name.lower(): value for name, value in self.headers.items()})
            if got.status == 200 and self.path == "/v1/metrics":
                got.requests.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(got.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with serve_http(Handler) as got.url:
        yield got


@contextmanager
def grpc_receiver() -> Iterator[Received]:
    got = Received()

    class Service(metrics_service_pb2_grpc.MetricsServiceServicer):  # type: ignore[misc]  # no types
        def Export(self, request: ExportMetricsServiceRequest, _: Any) -> ExportMetricsServiceResponse:  # noqa: N802
            got.requests.append(request)
            return ExportMetricsServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Service(), server)
    got.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield got
    server.stop(grace=None)
