"""What a receiver gets of a run, and what a user is told where it gets nothing. The receivers speak OTLP."""

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from bench.servers.processes import free_port
from loadtest.run.progress import Progress
from provider.live_metrics import Receiver, live_metrics
from provider.load_test_inputs import LocalLoadTestInputs
from tests.support.load_test_inputs import local_load_test_inputs
from tests.support.loopback import serve_http
from tests.support.otlp_receivers import grpc_receiver, http_receiver

ENDPOINT, PROTOCOL = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"
LABELS = {"stack": "local", "run_id": "01A"}


def progress(requests: int, errors: int = 0, p99_ms: float | None = 45.0) -> Progress:
    return Progress(3.0, 60.0, "hold", 4, requests, errors, rps=1.5, p50_ms=p99_ms and 20.0, p99_ms=p99_ms)


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (ENDPOINT, PROTOCOL, "OTEL_METRICS_EXPORTER", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.mark.parametrize(("protocol", "receiver"), [("http/protobuf", http_receiver), ("grpc", grpc_receiver)])
def test_a_receiver_gets_the_progress_and_the_figures_of_a_run(
    protocol: str, receiver: Any, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as got:
        monkeypatch.setenv(ENDPOINT, got.url)
        monkeypatch.setenv(PROTOCOL, protocol)
        with live_metrics(LABELS, told.append) as live:
            assert live
            live.progress(progress(10, p99_ms=None))
            live.progress(progress(25, errors=2))
            live.count(27, 3)
            live.stored({"goodput_rps": 12.5, "requests": 25})
    assert got.values == {
        "shapebench.requests": 27,
        "shapebench.failed_requests": 3,
        "shapebench.response_time 0.5": 0.02,
        "shapebench.response_time 0.99": 0.045,
        "shapebench.users": 4,
        "shapebench.elapsed": 3,
        "shapebench.planned_duration": 60,
        "shapebench.result.goodput_rps": 12.5,
        "shapebench.result.requests": 25,
    }
    assert all(labels == LABELS for labels in got.labels)
    assert got.services == {"shapebench"}
    assert told == []


def test_progress_is_sent_while_the_run_goes_on(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
    with http_receiver() as got:
        monkeypatch.setenv(ENDPOINT, got.url)
        with live_metrics(LABELS, told.append) as live:
            assert live
            live.progress(progress(10))
            deadline = time.monotonic() + 20
            while not got.requests and time.monotonic() < deadline:
                time.sleep(0.01)
            assert got.values["shapebench.requests"] == 10


def test_a_count_that_falls_with_a_lost_process_does_not_fall(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with http_receiver() as got:
        monkeypatch.setenv(ENDPOINT, got.url)
        with live_metrics(LABELS, told.append) as live:
            assert live
            for requests in (10, 6, 12):
                live.progress(progress(requests))
    assert got.values["shapebench.requests"] == 12


def test_without_a_receiver_nothing_is_sent_and_nothing_imported(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [module for module in sys.modules if module.startswith("opentelemetry.sdk")]:
        monkeypatch.delitem(sys.modules, name)
    with live_metrics(LABELS, told.append) as live:
        assert live is None
    assert not [module for module in sys.modules if module.startswith("opentelemetry.sdk")]
    assert told == []


@pytest.mark.parametrize(
    ("variables", "receiver"),
    [
        ({}, None),
        ({ENDPOINT: " "}, None),
        ({ENDPOINT: "http://a:1"}, Receiver(ENDPOINT, "http://a:1", "http/protobuf")),
        ({ENDPOINT: "http://a:1", PROTOCOL: "grpc"}, Receiver(ENDPOINT, "http://a:1", "grpc")),
        (
            {
                ENDPOINT: "http://a:1",
                PROTOCOL: "http/protobuf",
                "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://b:2",
                "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "grpc",
            },
            Receiver("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://b:2", "grpc"),
        ),
        ({ENDPOINT: "http://a:1", "OTEL_SDK_DISABLED": "True"}, None),
        ({ENDPOINT: "http://a:1", "OTEL_METRICS_EXPORTER": "none"}, None),
        (
            {ENDPOINT: "http://a:1", "OTEL_METRICS_EXPORTER": "console,otlp"},
            Receiver(ENDPOINT, "http://a:1", "http/protobuf"),
        ),
    ],
)
def test_the_receiver_is_the_one_of_opentelemetrys_variables(
    variables: dict[str, str], receiver: Receiver | None
) -> None:
    assert Receiver.of(variables) == receiver


def run_without_receiver(messages: list[str]) -> float:
    """How long a run waits at its end."""
    with live_metrics(LABELS, messages.append) as live:
        assert live
        live.progress(progress(10))
        ends = time.monotonic()
    return time.monotonic() - ends


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_receiver_that_is_not_there_is_said_once_without_its_password(
    protocol: str, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "100")
    monkeypatch.setenv(PROTOCOL, protocol)
    port = free_port()
    monkeypatch.setenv(ENDPOINT, f"http://me:s3cret@127.0.0.1:{port}")
    assert run_without_receiver(told) < 10
    [line] = told
    assert line.startswith(f"the metrics of this run do not reach http://127.0.0.1:{port}: ")
    assert line.endswith(f"correct {ENDPOINT} and its like, or start the receiver")
    assert "s3cret" not in line


def test_a_receiver_that_refuses_is_said_with_its_answer(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with http_receiver() as got:
        got.status = 404
        monkeypatch.setenv(ENDPOINT, got.url)
        run_without_receiver(told)
    [line] = told
    assert "code: 404, reason: Not Found. The run goes on" in line


def test_a_receiver_that_never_answers_costs_a_run_seconds(told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            released.wait(60)

        def log_message(self, *_: object) -> None:
            pass

    with serve_http(Silent) as url:
        monkeypatch.setenv(ENDPOINT, url)
        assert run_without_receiver(told) < 15
        released.set()
    [line] = told
    assert "due to timeout" in line


def test_headers_are_sent_and_a_wrong_one_is_said_without_its_value(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t0ken,s3cret")
    with http_receiver() as got:
        monkeypatch.setenv(ENDPOINT, got.url)
        run_without_receiver(told)
    assert got.headers[-1]["authorization"] == "Bearer t0ken"
    [line] = told
    assert "a part of OTEL_EXPORTER_OTLP_HEADERS is not of the form name=value" in line
    assert "s3cret" not in line


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({PROTOCOL: "http/json"}, f"{PROTOCOL} is http/json; http/protobuf and grpc are known"),
        ({PROTOCOL: "grpc", "OTEL_EXPORTER_OTLP_TIMEOUT": "soon"}, "soon"),
    ],
)
def test_a_wrong_variable_is_said_and_the_run_goes_on(
    variables: dict[str, str], said: str, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with live_metrics(LABELS, told.append) as live:
        assert live is None
    [line] = told
    assert said in line


def test_what_fails_in_the_run_is_raised_and_its_progress_is_sent(
    told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_receiver() as got:
        monkeypatch.setenv(ENDPOINT, got.url)
        with pytest.raises(ZeroDivisionError), live_metrics(LABELS, told.append) as live:  # noqa: PT012 - in the block
            assert live
            live.progress(progress(10))
            raise ZeroDivisionError
    assert got.values["shapebench.requests"] == 10


def test_the_labels_name_variant_and_run(tmp_path: Path) -> None:
    inputs = LocalLoadTestInputs.parse(local_load_test_inputs(tmp_path, "http://127.0.0.1:1"))
    assert inputs.labels("01A") == {
        "stack": "kubernetes",
        "platform": "local",
        "machine_type": "e2-custom-2-4096",
        "nodes": "1",
        "server": "tensorflow_model_server",
        "protocol": "rest",
        "model": "resnet",
        "run_id": "01A",
    }
