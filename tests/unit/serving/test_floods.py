"""400 gRPC messages of 15 MiB and 500 REST bodies of 4 MiB at once: bounded memory, given back; good ones answered.

With another model: `SERVING_MODEL=<folder above its versions> python -m pytest -s <this file>`.
"""

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2

from tests.unit.serving.conftest import running_server
from tests.unit.serving.floods import Call, hold, large_message
from tests.unit.serving.hostile import MIB
from tests.unit.serving.test_hostile_requests import MODEL, SHAPE, forget_peak, memory_bytes
from tools.pins import ROOT

MAX_MORE_BYTES = 1500 * MIB
MAX_AFTER_SHARE = 1.2
GIVEN_BACK_S = 30
SMALL_MEMORY_BYTES = 100_000


@pytest.fixture
def good_message():
    request = predict_pb2.PredictRequest(model_spec={"name": "resnet"})
    request.inputs["image_input"].CopyFrom(tf.make_tensor_proto(np.zeros(SHAPE, np.float32)))
    return request.SerializeToString()


@pytest.fixture(scope="module")
def predict():
    """Calls Predict of a server over gRPC."""

    def call(server, message):
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            return channel.unary_unary("/tensorflow.serving.PredictionService/Predict")(message, timeout=60)

    return call


def flood(protocol: str, port: int, count: int, size: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.unit.serving.floods", protocol, str(port), str(count), str(size)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_floods_over_both_apis_stay_within_the_limits_and_good_requests_are_answered(
    tiny_base_path, tmp_path, good_message, predict
):
    answers: Counter[str] = Counter()
    good_body = json.dumps({"instances": np.zeros(SHAPE).tolist()})
    over = threading.Event()
    with ExitStack() as opened:
        server = opened.enter_context(running_server(Path(MODEL) if MODEL else tiny_base_path, tmp_path / "log"))

        def send_good(name, send):
            while not over.is_set():
                try:
                    send()
                    answers[name] += 1
                except (grpc.RpcError, OSError, AssertionError) as error:
                    answers[f"{name}: {error}"] += 1
                time.sleep(0.1)

        def good_over_rest():
            answer = server.request("POST", "/v1/models/resnet:predict", good_body, timeout_s=60)
            assert answer.status == 200

        good_over_rest()
        predict(server, good_message)
        rest = memory_bytes(server, "VmRSS")
        forget_peak(server)
        good = [
            threading.Thread(target=send_good, args=("rest", good_over_rest)),
            threading.Thread(target=send_good, args=("grpc", lambda: predict(server, good_message))),
        ]
        floods = [
            opened.enter_context(flood("grpc", server.grpc_port, 400, 15 * MIB)),
            opened.enter_context(flood("rest", server.rest_port, 500, 4 * MIB - 1)),
        ]
        try:
            for thread in good:
                thread.start()
            answered, held = (int(process.stdout.readline()) for process in floods)
        finally:
            over.set()
            for process in floods:
                process.terminate()
            for thread in good:
                thread.join()
        more = memory_bytes(server, "VmHWM") - rest
        deadline_s = time.monotonic() + GIVEN_BACK_S
        while (after := memory_bytes(server, "VmRSS")) > MAX_AFTER_SHARE * rest and time.monotonic() < deadline_s:
            time.sleep(0.5)
    print(f"\nat rest {rest / MIB:.0f} MiB, peak {more / MIB:.0f} MiB more, after {after / rest:.2f}; {dict(answers)}")
    assert (answered, held) == (400, 500), "each is answered, and no connection is lost"
    assert more <= MAX_MORE_BYTES
    assert after <= MAX_AFTER_SHARE * rest
    good_answers, others = answers["rest"] + answers["grpc"], answers.total() - answers["rest"] - answers["grpc"]
    # One that comes just before the floods is older than all of them, and may find no room within its 30 s.
    assert min(answers["rest"], answers["grpc"]) > 0
    assert others <= 0.05 * good_answers, answers


@pytest.fixture(scope="module")
def small_server(tiny_base_path, tmp_path_factory):
    max_message = "--grpc_channel_arguments=grpc.max_receive_message_length=50000"
    flags = f"--request_memory_bytes={SMALL_MEMORY_BYTES}", max_message
    with running_server(tiny_base_path, tmp_path_factory.mktemp("small") / "log", *flags) as running:
        yield running


def test_a_slow_rest_body_makes_room_for_a_request_and_is_answered_503_with_retry_after(small_server, images):
    body = memoryview(b" " * SMALL_MEMORY_BYTES)
    with hold(small_server.rest_port, body) as slow:
        assert small_server.predict({"instances": images.tolist()}).status == 200
        slow.sendall(body[-1:])
        answer = b""
        while b"}" not in answer:
            answer += slow.recv(10_000) or pytest.fail(f"the answer ended: {answer!r}")
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"retry-after: 1\r\n" in answer
    assert "took more than 3 s to arrive" in json.loads(answer.partition(b"\r\n\r\n")[2])["error"]


def test_a_slow_grpc_message_makes_room_for_a_request_and_is_refused(small_server, good_message, predict):
    slow = Call(small_server.grpc_port)
    sending = threading.Thread(target=slow.send, args=(large_message(40_000), 0.5))
    sending.start()
    time.sleep(0.3)
    assert predict(small_server, good_message)
    sending.join(timeout=30)
    assert not sending.is_alive()
    assert b"took more than 3 s to arrive" in slow.headers
