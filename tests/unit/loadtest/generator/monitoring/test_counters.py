"""Pages as TF Serving 2.x prints them: names, labels and their order are those of its prometheus_exporter.cc."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import loadtest.generator.monitoring.counters
from analysis.results.schema import samples as names
from loadtest.generator.monitoring.counters import append_counters, counters_written, counts_in
from loadtest.generator.plan import LoadTestPlan
from loadtest.result.samples import read_samples
from serving.errors import Code, ServingError
from serving.metrics import Metrics
from tests.unit.loadtest.plans import write_plan

PAGE = """\
# TYPE :tensorflow:cc:saved_model:load_attempt_count counter
:tensorflow:cc:saved_model:load_attempt_count{model_path="/models/resnet/1",status="success"} 1
# TYPE :tensorflow:serving:request_count counter
:tensorflow:serving:request_count{model_name="resnet",status="OK"} 120
:tensorflow:serving:request_count{model_name="resnet",status="INVALID_ARGUMENT"} 3
:tensorflow:serving:request_count{model_name="resnet",status="UNAVAILABLE"} 4
:tensorflow:serving:request_count{model_name="other",status="OK"} 9000
# TYPE :tensorflow:serving:request_latency histogram
:tensorflow:serving:request_latency_bucket{model_name="resnet",API="predict",entrypoint="REST",le="10"} 0
:tensorflow:serving:request_latency_bucket{model_name="resnet",API="predict",entrypoint="REST",le="+Inf"} 100
:tensorflow:serving:request_latency_sum{model_name="resnet",API="predict",entrypoint="REST"} 9.5e+06
:tensorflow:serving:request_latency_count{model_name="resnet",API="predict",entrypoint="REST"} 100
:tensorflow:serving:request_latency_sum{model_name="resnet",API="Predict",entrypoint="GRPC"} 500000
:tensorflow:serving:request_latency_count{model_name="resnet",API="Predict",entrypoint="GRPC"} 20
:tensorflow:serving:request_latency_sum{model_name="resnet",API="",entrypoint="REST"} 70
:tensorflow:serving:request_latency_count{model_name="resnet",API="",entrypoint="REST"} 7
# TYPE :tensorflow:serving:runtime_latency histogram
:tensorflow:serving:runtime_latency_sum{model_name="resnet",API="Predict",runtime="TF1"} 8000000
:tensorflow:serving:runtime_latency_count{model_name="resnet",API="Predict",runtime="TF1"} 120
# TYPE :tensorflow:serving:batching_session:queuing_latency histogram
:tensorflow:serving:batching_session:queuing_latency_sum{thread_pool_name="\\"batch\\" threads"} 240000
:tensorflow:serving:batching_session:queuing_latency_count{thread_pool_name="\\"batch\\" threads"} 120
# TYPE :tensorflow:serving:batching_session:wrapped_run_count counter
:tensorflow:serving:batching_session:wrapped_run_count{} 40
"""


def test_a_page_of_tf_serving_is_read_into_the_names_of_the_samples() -> None:
    assert counts_in(PAGE, "resnet") == {
        names.REQUESTS_OK: 120,
        names.REQUESTS_FAILED: 7,
        names.LATENCY_SUM_US: 1e7,
        names.LATENCY_COUNT: 120,
        names.RUNTIME_SUM_US: 8e6,
        names.RUNTIME_COUNT: 120,
        names.QUEUED_SUM_US: 240_000,
        names.QUEUED_COUNT: 120,
        names.BATCHES: 40,
    }
    assert set(counts_in(PAGE, "resnet")) == set(names.TOTALS)


def test_a_page_of_the_embedded_server_is_read_as_well() -> None:
    metrics = Metrics("resnet")
    with metrics.predict_request("REST"), metrics.runtime():
        time.sleep(0.01)
    with pytest.raises(ServingError), metrics.predict_request("GRPC"):
        raise ServingError(Code.UNAVAILABLE, "full")
    metrics.queuing_latency_us.observe(500)
    metrics.wrapped_run_count.inc()
    counts = counts_in(metrics.page().decode(), "resnet")
    assert (counts[names.REQUESTS_OK], counts[names.REQUESTS_FAILED]) == (1, 1)
    assert counts[names.LATENCY_SUM_US] >= counts[names.RUNTIME_SUM_US] >= 10_000
    assert (counts[names.QUEUED_SUM_US], counts[names.QUEUED_COUNT], counts[names.BATCHES]) == (500, 1, 1)


@pytest.mark.parametrize(
    "page", ["", "<html>Not Found</html>", ":tensorflow:serving:request_count{model_name= x", "\0"]
)
def test_other_text_than_a_page_of_counters_has_no_counters(page: str) -> None:
    assert counts_in(page, "resnet") == {}


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        content = PAGE.encode()
        self.send_response(200 if self.path == "/page" else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., LoadTestPlan]:
    def with_urls(**counter_urls: str) -> LoadTestPlan:
        return replace(LoadTestPlan.from_json(write_plan(tmp_path).read_text()), counter_urls=counter_urls)

    return with_urls


def test_the_counters_of_every_server_are_samples_by_its_name(url: str, plan: Callable[..., LoadTestPlan]) -> None:
    both = plan(a=f"{url}/page", b=f"{url}/page")
    before_s = time.time()
    append_counters(both)
    append_counters(both)
    noted = read_samples(Path(both.counters_path))
    assert noted.num_rows == 2 * 2 * len(names.TOTALS)
    assert set(noted["subject"].to_pylist()) == {"a", "b"}
    assert all(before_s - 1 < at.timestamp() < time.time() + 1 for at in noted["at"].to_pylist())


def test_a_server_without_a_page_or_without_a_port_is_left_out(url: str, plan: Callable[..., LoadTestPlan]) -> None:
    some = plan(none=f"{url}/nowhere", gone="http://127.0.0.1:1/page", there=f"{url}/page")
    append_counters(some)
    assert set(read_samples(Path(some.counters_path))["subject"].to_pylist()) == {"there"}


def test_several_servers_that_hang_delay_the_others_no_longer_than_one(
    url: str, plan: Callable[..., LoadTestPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loadtest.generator.monitoring.counters, "_TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        hangs = f"http://127.0.0.1:{listener.getsockname()[1]}/page"
        many = plan(there=f"{url}/page", **{f"silent-{at}": hangs for at in range(8)})
        began_s = time.monotonic()
        append_counters(many)
        assert time.monotonic() - began_s < 8 * 0.5 / 2
    assert set(read_samples(Path(many.counters_path))["subject"].to_pylist()) == {"there"}


def test_counters_are_read_from_the_beginning_until_the_end(
    url: str, plan: Callable[..., LoadTestPlan], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loadtest.generator.monitoring.counters, "_INTERVAL_S", 0.05)
    one = plan(a=f"{url}/page")

    def readings() -> int:
        return read_samples(Path(one.counters_path)).num_rows // len(names.TOTALS)

    with counters_written(one):
        time.sleep(0.5)
    noted = readings()
    assert noted >= 3
    time.sleep(0.2)
    assert readings() == noted


def test_without_urls_nothing_is_fetched_and_nothing_is_written(plan: Callable[..., LoadTestPlan]) -> None:
    nothing = plan()
    with counters_written(nothing):
        pass
    assert not Path(nothing.counters_path).exists()
