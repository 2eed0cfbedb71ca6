"""A sweep over the servers of three runtimes ranks them as bare calls of the same model do.

The model is layers of depthwise convolutions, for which runtimes differ by a multiple, and takes long enough that the
servers' own work is little beside it. Which runtime is fast is not assumed: each is called bare in the same test.
"""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import yaml

from analysis.results.schema.manifest import CapacityRps
from bench.servers.processes import free_port
from bench.serving import side
from serving.servers import server_named
from tests.engine.harness import CHECKOUT, servers_on
from tests.engine.sweep.sweeping import SMALL_STACK, Process, Sweeps

SERVERS = ("embedded", "onnxruntime", "openvino")
BARE = {"embedded": "bare", "onnxruntime": "onnxruntime-bare", "openvino": "openvino-bare"}
THREADS = 2
# TensorFlow without oneDNN, in its server and bare: depthwise convolutions are what it is slow at then.
ONE_DNN = {"TF_ENABLE_ONEDNN_OPTS": "0"}
# The searches take all of durationS. With 20 s, on a busy machine, none came near enough to the capacity.
LOAD = {"lowestRps": 5, "highestRps": 1000, "precision": 0.5, "warmupS": 4, "durationS": 35}
# Requests at once and turns of the bare calls, one runtime after the other in each.
USERS, ROUNDS, TURN_S = 4, 3, 1.5
# Other tests run beside this one, and may take half of the cores while one server is measured and not another.
LEAST = 2.0


def save_model(folder: Path) -> None:
    random = np.random.default_rng(1)

    def weights(*shape: int) -> tf.Variable:
        return tf.Variable((random.standard_normal(shape) / np.sqrt(np.prod(shape[:-1]))).astype(np.float32))

    module = tf.Module()
    module.first, module.channels = weights(16, 96 * 96), weights(32)
    module.layers = [(weights(5, 5, 32, 1), weights(1, 1, 32, 32)) for _ in range(24)]

    def features(x: tf.Tensor) -> dict[str, tf.Tensor]:
        # Without an operation between them, OpenVINO 2026.4.1 would multiply the first layer's weights by the channels,
        # and then refuse the image for its one channel.
        image = tf.tanh(tf.reshape(x @ module.first, (-1, 96, 96, 1)) * module.channels)
        for depthwise, pointwise in module.layers:
            image = tf.nn.depthwise_conv2d(image, depthwise, (1, 1, 1, 1), "SAME")
            image = tf.nn.relu(tf.nn.conv2d(image, pointwise, 1, "SAME"))
        return {"features": tf.reduce_mean(image, (1, 2))}

    signature = tf.function(features, input_signature=[tf.TensorSpec((None, 16), name="x")])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": signature})


@pytest.fixture(scope="module")
def sweeps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweeps]:
    folder, port = tmp_path_factory.mktemp("three-servers"), free_port()
    save_model(folder / "features" / "1")
    local: dict[str, Any] = SMALL_STACK | {
        "shapebench:platform": "local",
        "shapebench:serving": SMALL_STACK["shapebench:serving"] | {"intraOp": THREADS, "oneDnn": False},
        "shapebench:model": {"path": str(folder / "features")},
        "shapebench:local": {"restPort": port, "grpcPort": free_port()},
    }
    with Sweeps(folder / "checkout", {"local": local}) as sweeps:
        yield sweeps
    for process in servers_on(port):
        os.kill(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def ended(sweeps: Sweeps) -> Process:
    """The sweep, which has measured each server once."""
    settings = {"objectives": [{"p90": "500ms", "errors": "1%"}], "load": LOAD, "strategy": "grid", "blocks": 1}
    (sweeps.checkout / "sweep.yaml").write_text(yaml.safe_dump(settings))
    process = sweeps.start("--file", "sweep.yaml", "--stack", "local", "--server", ",".join(SERVERS))
    assert process.exit_code(within_s=450) == 5, process.output
    return process


@pytest.fixture(scope="module")
def capacities(sweeps: Sweeps, ended: Process) -> dict[str, CapacityRps]:
    """The capacity of each server."""
    searched = {run.serving.server: run.capacity for run in sweeps.valid_runs() if run.capacity}
    return {server: searched[server_named(server).facts.name].rps for server in SERVERS}


@pytest.fixture(scope="module")
def bare_rps(sweeps: Sweeps, ended: Process, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    """Predictions a second of each runtime without a server, in each round."""
    (digest,) = {run.serving.model.digest for run in sweeps.valid_runs()}
    version = CHECKOUT / f".cache/models/own-{digest[:12]}/features/1"
    values = tmp_path_factory.mktemp("input") / "x.npy"
    np.save(values, np.random.default_rng(2).standard_normal((1, 16)).astype(np.float32))
    with ExitStack() as running:
        sides = {
            server: running.enter_context(side(kind, str(version), str(values), str(THREADS), **ONE_DNN))
            for server, kind in BARE.items()
        }
        answers = {server: runtime.answer() for server, runtime in sides.items()}
        for server in SERVERS:
            np.testing.assert_allclose(answers[server], answers["embedded"], rtol=1e-3, atol=1e-5, err_msg=server)
        rounds = [
            {server: runtime.measure(USERS, TURN_S).throughput_rps for server, runtime in sides.items()}
            for _ in range(ROUNDS)
        ]
    return {server: [by_server[server] for by_server in rounds] for server in SERVERS}


@pytest.fixture(scope="module")
def clear(capacities: dict[str, CapacityRps], bare_rps: dict[str, list[float]]) -> list[tuple[str, str]]:
    """Pairs of which the first is faster bare, in each round and by more than the intervals of the sweep are wide."""
    for server in SERVERS:
        print(f"{server}: capacity {capacities[server]}, bare {', '.join(f'{rps:.1f}' for rps in bare_rps[server])}/s")
    return [
        (faster, slower)
        for faster, slower in permutations(SERVERS, 2)
        if min(np.divide(bare_rps[faster], bare_rps[slower]))
        > max(LEAST, width(capacities[faster]), width(capacities[slower]))
    ]


def width(interval: CapacityRps) -> float:
    return interval.high / interval.low if interval.low else float("inf")


def test_the_sweep_orders_servers_as_bare_calls_order_their_runtimes(
    capacities: dict[str, CapacityRps], clear: list[tuple[str, str]]
) -> None:
    assert clear, "no two runtimes differ enough"
    for faster, slower in clear:
        more, less = capacities[faster].value, capacities[slower].value
        assert more is not None, faster
        assert less is not None, slower
        assert more > less, (faster, slower)


def test_the_sweep_chooses_no_server_whose_runtime_is_slower(ended: Process, clear: list[tuple[str, str]]) -> None:
    found = re.search(r"^Cheapest with p90 within 500 ms .*: (\w+), ", ended.output, re.MULTILINE)
    assert found, ended.output
    assert found[1] in SERVERS
    assert found[1] not in {slower for _, slower in clear}
