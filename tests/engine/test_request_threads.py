"""150 users at a server that has two vCPUs and the threads of a stack: none is refused; with few threads most are."""

import os
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import tensorflow as tf

from bench.servers import processes as servers
from loadtest.generator.clients.protocols import request_bodies
from loadtest.generator.plan import LoadTestPlan, load_plan
from loadtest.result.outcome import LoadTestOutcome
from loadtest.run.payload import outputs_of, payload_of
from loadtest.run.runner import run_load_test
from serving.servers import EMBEDDED_SERVER, Apis, command_of, write_config_files
from stacks.files import load_settings
from stacks.load.load_profiles import PROFILES
from stacks.server.models import RESNET50
from stacks.server.serving_variant import Batching, ServingVariant

STACKS = ("2cpu-4gb", "4cpu-8gb", "8cpu-16gb", "8cpu-64gb")
SEED = PROFILES["seed"]
# All of its users at once, who do not pause, so that all are in flight for as long as the test takes.
LOAD = SEED.model_copy(update={"spawn_rate_per_s": 75.0, "wait_s": 0.0, "duration_s": 6.0})
# A batch waits longer than it takes to fill one, so its size is that of the requests that have a thread.
BATCHING = Batching(max_batch_size=32, batch_timeout_micros=1_000_000, max_enqueued_batches=200, num_batch_threads=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with ResNet50's input and output that takes some 10 ms, so that requests meet in the server."""
    module = tf.Module()
    module.kernel = tf.Variable(tf.random.stateless_normal((1000, 1000), (1, 2)) / 1000)

    def classify(image_input: tf.Tensor) -> dict[str, tf.Tensor]:
        values = tf.tile(tf.reduce_mean(image_input, (1, 2)), (1, 334))[:, :1000]
        wide = tf.repeat(values[:, None, :], 32, axis=1)
        for _ in range(6):
            wide = tf.tanh(wide @ module.kernel)
        return {"resnet50": tf.nn.softmax(tf.reduce_mean(wide, 1))}

    signature = tf.function(classify, input_signature=[tf.TensorSpec((None, 224, 224, 3), tf.float32, "image_input")])
    base = tmp_path_factory.mktemp("models") / "resnet"
    tf.saved_model.save(module, str(base / "1"), signatures={"serving_default": signature})
    return base


@dataclass(frozen=True)
class Running:
    """A server that runs, and a folder for the load tests of it."""

    apis: Apis
    folder: Path

    def loaded(self, protocol: str) -> LoadTestOutcome:
        """The outcome of the load over one protocol."""
        port = self.apis.grpc_port if protocol == "grpc" else self.apis.rest_port
        plan = LoadTestPlan(
            load_plan(LOAD.plan_values), protocol, f"{'grpc' if protocol == 'grpc' else 'http'}://127.0.0.1:{port}",
            RESNET50.name, str(self.folder / protocol), outputs_of(RESNET50), grpc_threads=self.apis.grpc_threads,
        )  # fmt: skip
        bodies = request_bodies(protocol, payload_of(RESNET50), RESNET50.name)
        return run_load_test(plan, bodies, lambda _: None, threading.Event())

    def counters(self) -> dict[str, float]:
        url = f"http://127.0.0.1:{self.apis.rest_port}{EMBEDDED_SERVER.counters_path}"
        with urllib.request.urlopen(url, timeout=30) as page:
            samples = [line.rpartition(" ") for line in page.read().decode().splitlines() if line[:1] not in ("", "#")]
        return {name: float(value) for name, _, value in samples}


@contextmanager
def running(model: Path, folder: Path, variant: ServingVariant, apis: Apis) -> Iterator[Running]:
    """The embedded server on two CPUs of this machine."""
    server = EMBEDDED_SERVER
    write_config_files(server, variant, folder)
    command = command_of(server, variant, apis, model_name="resnet", model_base_path=model, config_dir=folder)
    two = ",".join(map(str, sorted(os.sched_getaffinity(0))[:2]))
    with servers.ready(
        ["taskset", "-c", two, *command],
        f"http://127.0.0.1:{apis.rest_port}{server.ready_path('resnet')}",
        "threads.log",
    ):
        yield Running(apis, folder)


def apis_of(stack: str, batching: Batching | None = None) -> tuple[ServingVariant, Apis]:
    """The serving variant and the threads that a stack's file leads to with the load of the published experiment."""
    settings = load_settings(stack)
    serving = settings.serving.model_copy(update={"batching": batching})
    settings = settings.model_copy(update={"serving": serving, "load": SEED})
    threads = settings.request_threads
    ports = {"rest_port": servers.free_port(), "grpc_port": servers.free_port()}
    return settings.variant, Apis(**ports, rest_threads=threads.rest, grpc_threads=threads.grpc)


def in_flight(outcome: LoadTestOutcome) -> int:
    """How many requests were in flight when the last one was sent."""
    start_us = np.asarray(outcome.rows["start"].cast("int64"))
    end_us = start_us + np.asarray(outcome.rows["latency_us"])
    return int((end_us > start_us.max()).sum())


@pytest.mark.parametrize("stack", STACKS)
def test_no_request_of_150_users_is_refused_over_rest_or_grpc(stack: str, model: Path, tmp_path: Path) -> None:
    with running(model, tmp_path, *apis_of(stack)) as server, ThreadPoolExecutor(2) as at_once:
        for outcome in at_once.map(server.loaded, ("rest", "grpc")):
            errors = Counter(outcome.rows["error"].to_pylist())
            assert errors[None], "answered correctly"
            assert errors.keys() <= {None, "unfinished"}
            assert in_flight(outcome) > 100, "or the load would not have needed more threads"
            assert not any("gRPC threads" in reason for reason in outcome.reasons)


def test_with_fewer_threads_than_users_grpc_refuses_and_the_run_says_why(model: Path, tmp_path: Path) -> None:
    variant, apis = apis_of("2cpu-4gb")
    with running(model, tmp_path, variant, replace(apis, grpc_threads=8)) as server:
        outcome = server.loaded("grpc")
    refused = outcome.rows.filter(pc.equal(outcome.rows["error"], "grpc_no_thread"))
    assert refused.num_rows > 0
    assert set(refused["status"].to_pylist()) == {8}, "RESOURCE_EXHAUSTED"
    assert pc.any(outcome.rows["ok"]).as_py(), "seven calls at a time are answered"
    assert any(
        f"out of gRPC threads (--grpc_max_threads 8) and refused {refused.num_rows} of" in reason
        for reason in outcome.reasons
    )


def test_rest_threads_are_enough_to_fill_batches(model: Path, tmp_path: Path) -> None:
    with running(model, tmp_path, *apis_of("2cpu-4gb", BATCHING)) as server:
        assert None in server.loaded("rest").rows["error"].to_pylist()
        counters = server.counters()
    (sizes,) = (value for name, value in counters.items() if "processed_batch_size_sum" in name)
    (batches,) = (value for name, value in counters.items() if "processed_batch_size_count" in name)
    assert sizes / batches > 16, "eight threads could not fill half a batch of 32"
