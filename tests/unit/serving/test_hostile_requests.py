"""200 hostile requests over each API: memory within its limit, good requests answered, SIGTERM obeyed.

With another model: `SERVING_MODEL=<folder above its versions> python -m pytest -s <this file>`.
"""

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from serving.lifecycle import CUT_OFF
from tests.unit.serving.conftest import running_server
from tests.unit.serving.hostile import MIB, grpc_messages, image_uploads, rest_requests, v2_grpc_messages, v2_requests

MODEL = os.environ.get("SERVING_MODEL")
SHAPE = (1, 224, 224, 3) if MODEL else (1, 4, 4, 3)
COUNT = 200
MAX_AT_REST_BYTES = 1.2e9
MAX_MORE_BYTES = 512 * MIB


@pytest.fixture(scope="module")
def hostile_server(tiny_base_path, tmp_path_factory):
    log = tmp_path_factory.mktemp("hostile") / "server.log"
    with running_server(Path(MODEL) if MODEL else tiny_base_path, log) as running:
        assert running.predict({"instances": np.zeros(SHAPE).tolist()}).status == 200
        yield running, memory_bytes(running, "VmRSS")


def memory_bytes(server, field: str) -> int:
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def forget_peak(server) -> None:
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")


def rest_status(port: int, request: bytes) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            connection.sendall(request)
        except (BrokenPipeError, ConnectionResetError):  # refused before its end
            return 0
        try:
            return int(connection.recv(100)[9:12] or 0)
        except ConnectionResetError:
            return 0


def within_limits(server, rest, send, good, hostile) -> None:
    """Send 200 of the hostile requests, two at a time, and a good one after each."""
    forget_peak(server)

    def attack(named):
        name, request = named
        send(name, request)
        good()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(attack, islice(cycle(hostile.items()), COUNT)))
    peak = memory_bytes(server, "VmHWM")
    print(f"\nat rest {rest / MIB:.0f} MiB, peak {(peak - rest) / MIB:.0f} MiB more")
    assert rest <= MAX_AT_REST_BYTES
    assert peak - rest <= MAX_MORE_BYTES


@pytest.mark.parametrize("requests", [rest_requests, v2_requests, image_uploads])
def test_hostile_rest_requests_cost_no_more_than_the_limits(hostile_server, requests):
    server, rest = hostile_server
    instances = {"instances": np.zeros(SHAPE).tolist()}

    def send(name, request):
        status = rest_status(server.rest_port, request)
        assert status < 500, (name, status)

    def good():
        assert server.predict(instances).status == 200

    within_limits(server, rest, send, good, requests())


@pytest.mark.parametrize(
    ("method", "messages"),
    [("tensorflow.serving.PredictionService/Predict", grpc_messages),
     ("inference.GRPCInferenceService/ModelInfer", v2_grpc_messages)],
)  # fmt: skip
def test_hostile_grpc_messages_cost_no_more_than_the_limits(hostile_server, method, messages):
    server, rest = hostile_server
    good_request = predict_pb2.PredictRequest(model_spec={"name": "resnet"})
    good_request.inputs["image_input"].CopyFrom(tf.make_tensor_proto(np.zeros(SHAPE, np.float32)))
    message = good_request.SerializeToString()
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        call = channel.unary_unary(f"/{method}")

        def send(name, request):
            code = call.future(request, timeout=60).code()
            refused = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.NOT_FOUND}
            assert code in refused | {grpc.StatusCode.OK}, (name, code)

        within_limits(server, rest, send, lambda: predict(message, timeout=60), messages())


def test_sigterm_ends_the_server_within_5_s_whatever_it_does(tiny_base_path, tmp_path):
    log = tmp_path / "server.log"
    with running_server(Path(MODEL) if MODEL else tiny_base_path, log, ends_with=(0, CUT_OFF)) as server:
        half = socket.create_connection(("127.0.0.1", server.rest_port))
        half.sendall(b"POST /v1/models/resnet:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{")
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
            running = [predict.future(message, timeout=60) for message in grpc_messages().values() for _ in "12"]
            with ThreadPoolExecutor(24) as pool:
                sent = [pool.submit(rest_status, server.rest_port, request) for request in rest_requests().values()]
                time.sleep(0.5)
                start_s = time.monotonic()
                server.process.send_signal(signal.SIGTERM)
                server.process.wait(timeout=30)
                took_s = time.monotonic() - start_s
            for call in running:
                call.cancel()
        half.close()
        del sent
    print(f"\nended after {took_s:.1f} s with {server.process.returncode}")
    assert took_s <= 5


def test_a_stuck_call_is_cut_off_with_an_exit_code_and_a_line_in_the_log(tiny_base_path, tmp_path):
    """A thread that never ends stands for a call in TensorFlow, which nothing can interrupt."""
    stuck = tmp_path / "sitecustomize.py"
    stuck.write_text(
        "import threading\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "pool = ThreadPoolExecutor(1); pool.submit(threading.Event().wait)\n"
    )
    log = tmp_path / "server.log"
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with running_server(tiny_base_path, log, ends_with=(CUT_OFF,), environment={"PYTHONPATH": path}) as server:
        start_s = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=30) == CUT_OFF
        assert time.monotonic() - start_s <= 5
    assert "did not end within" in log.read_text()
