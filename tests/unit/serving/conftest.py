"""A small model with ResNet50's input and output, and a server that serves it, for all tests of this folder."""

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf

from bench.servers.processes import free_port
from serving.servers import EMBEDDED_SERVER, Apis, command_of, write_config_files
from stacks.server.serving_variant import ServingVariant

IMAGE_SHAPE = (4, 4, 3)
MAX_BODY_BYTES = 100_000


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    @property
    def json(self):
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    process: subprocess.Popen
    rest_port: int
    grpc_port: int

    def request(self, method, path, body=None, headers=None, timeout_s=30) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.rest_port, timeout=timeout_s)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.read())
        finally:
            connection.close()

    def predict(self, document, path="/v1/models/resnet:predict") -> Answer:
        return self.request("POST", path, json.dumps(document))


@pytest.fixture(scope="session")
def images():
    """Five images, float32 [5, 4, 4, 3]."""
    return np.random.default_rng(1).integers(0, 256, (5, *IMAGE_SHAPE)).astype(np.float32)


@pytest.fixture(scope="session")
def tiny_base_path(tmp_path_factory) -> Path:
    """A model with the versions 7 and 12: image_input [N,4,4,3] to resnet50 [N,10], and three more signatures."""
    weights = np.random.default_rng(0).standard_normal((48, 10)).astype(np.float32) / 1000

    class Tiny(tf.Module):
        def __init__(self):
            super().__init__()
            self.kernel = tf.Variable(weights)
            self.calls = tf.Variable(0)

    def classify(image_input):
        return {"resnet50": tf.nn.softmax(tf.reshape(image_input, (-1, 48)) @ module.kernel)}

    def mixed(zeros, flags, text):
        return {"zeros": zeros * 2.0, "flags": tf.logical_not(flags), "text_bytes": text}

    def counting(x):
        module.calls.assign_add(1)
        return {"y": x + tf.cast(module.calls, tf.float32)}

    def doubled(half, brain):
        return {"half": half * 2, "brain": brain * 2}

    def spec(shape, dtype, name):
        return tf.TensorSpec(shape, dtype, name=name)

    module = Tiny()
    # Not in order of name, so that swapped inputs are noticed.
    mixed_specs = [
        spec((None,), tf.float64, "zeros"),
        spec((None, 2), tf.bool, "flags"),
        spec((None,), tf.string, "text"),
    ]
    signatures = {
        "serving_default": tf.function(
            classify, input_signature=[spec((None, *IMAGE_SHAPE), tf.float32, "image_input")]
        ),
        "mixed": tf.function(mixed, input_signature=mixed_specs),
        "halves": tf.function(
            doubled, input_signature=[spec((None,), tf.float16, "half"), spec((None,), tf.bfloat16, "brain")]
        ),
        "counting": tf.function(counting, input_signature=[spec((None,), tf.float32, "x")]),
    }
    base = tmp_path_factory.mktemp("models") / "resnet"
    for version in ("7", "0012"):
        tf.saved_model.save(module, str(base / version), signatures=signatures)
    (base / "13").mkdir()  # a version that is still being copied
    return base


@pytest.fixture(scope="session")
def direct(tiny_base_path):
    """The model called without the server."""
    signature = tf.saved_model.load(str(tiny_base_path / "0012")).signatures["serving_default"]
    return lambda images: signature(image_input=tf.constant(images))["resnet50"].numpy()


@contextmanager
def running_server(
    base_path: Path, log: Path, *more_flags: str, ends_with=(0,), environment: dict[str, str] | None = None
) -> Iterator[Server]:
    rest_port, grpc_port = free_port(), free_port()
    variant = ServingVariant(protocol="rest", intra_op=1, inter_op=1)
    write_config_files(EMBEDDED_SERVER, variant, log.parent)
    apis = Apis(rest_port=rest_port, grpc_port=grpc_port, rest_threads=8, grpc_threads=16)
    command = command_of(
        EMBEDDED_SERVER, variant, apis, model_name="resnet", model_base_path=base_path, config_dir=log.parent
    )
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, *more_flags], stdout=output, stderr=subprocess.STDOUT, env=os.environ | (environment or {})
        )
    server = Server(process, rest_port, grpc_port)
    try:
        deadline = time.monotonic() + 90
        while True:
            try:
                assert (
                    server.request("GET", "/v1/models/resnet").json["model_version_status"][0]["state"] == "AVAILABLE"
                )
                break
            except ConnectionRefusedError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) in ends_with, log.read_text()


@pytest.fixture(scope="session")
def server(tiny_base_path, tmp_path_factory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("server") / "server.log"
    with running_server(tiny_base_path, log, f"--rest_api_max_body_bytes={MAX_BODY_BYTES}") as running:
        yield running


@pytest.fixture(scope="session")
def channel(server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as opened:
        yield opened
