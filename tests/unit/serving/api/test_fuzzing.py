"""Random requests over both APIs: no internal error, and a good request is answered right after each.

Longer: `python -m pytest tests/unit/serving/api/test_fuzzing.py --hypothesis-profile=long`.
"""

import gzip
import json
import socket

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2

PREDICT = b"/v1/models/resnet:predict"
IMAGE = np.zeros((4, 4, 3)).tolist()
within = settings(
    deadline=None,
    derandomize=settings.default is settings.get_profile("default"),
    database=None,
    max_examples=40 if settings.default is settings.get_profile("default") else settings.default.max_examples,
    suppress_health_check=list(HealthCheck),
)

texts = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(["b64", "image_input", "\x00", "\ud800", "é"])
numbers = st.integers() | st.floats() | st.sampled_from([10**400, 2**63, 1e39])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts | st.just({"b64": "é"}) | st.just(IMAGE),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "signature_name": st.sampled_from(["serving_default", "mixed", "counting"]) | values,
        "instances": values,
        "inputs": values | st.fixed_dictionaries({"zeros": values, "flags": values, "text": values}),
    },
)
json_bodies = (documents | values).map(lambda document: json.dumps(document).encode())
rest_bodies = json_bodies | st.binary(max_size=60) | json_bodies.map(lambda body: body.replace(b"0", b"[", 1))
versions = st.integers(0, 10**30).map(str) | st.sampled_from(["12", "9" * 5000, "x", "%00", "-1", "%ED%A0%80"])
paths = st.one_of(
    st.just(PREDICT),
    st.builds(lambda version, verb: f"/v1/models/resnet/versions/{version}{verb}".encode(), versions,
              st.sampled_from(["", ":predict", "/metadata", ":guess"])),
    st.binary(max_size=12).map(lambda tail: b"/v1/models/" + tail),
)  # fmt: skip
methods = st.sampled_from([b"POST"] * 5 + [b"GET", b"HEAD", b"OPTIONS", b"PUT", b"TRACE", b"CONNECT", b"NO"])
headers = st.lists(
    st.sampled_from([
        b"Content-Length: 3",
        b"Content-Length: -1", b"Content-Length: 9999999999999999999999", b"Content-Encoding: \xff",
        b"Content-Encoding: gzip", b"Transfer-Encoding: chunked", b"Expect: 100-continue", b"Upgrade: websocket",
        b"Connection: upgrade", b"X\x00: 1", b"X: " + b"y" * 5000,
    ]),
    max_size=2,
)  # fmt: skip
packing = st.sampled_from(
    [bytes, gzip.compress, lambda body: gzip.compress(body) * 2, lambda body: gzip.compress(body) + b"x"]
)


def sent_raw(server, request: bytes) -> bytes:
    """The first bytes of the answer."""
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=20) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(4096)


def rest_request(method, path, more_headers, body) -> bytes:
    length = [b"Content-Length: %d" % len(body)] if not any(b"Transfer" in header for header in more_headers) else []
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: x", b"Connection: close", *length, *more_headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


@given(method=methods, path=paths, more_headers=headers, body=rest_bodies, pack=packing)
@example(b"POST", PREDICT, [], b'{"signature_name": "\\ud800", "inputs": 1}', bytes)
@example(b"POST", PREDICT, [], b'{"signature_name": "mixed", "inputs": {"zeros": [1], "flags": [[true, true]], '
         b'"text": ["\\ud800"]}}', bytes)  # fmt: skip
@example(b"POST", PREDICT, [], b'{"signature_name": "mixed", "inputs": {"zeros": [1], "flags": [[true, true]], '
         b'"text": [{"b64": "\xc3\xa9"}]}}', bytes)  # fmt: skip
@example(b"GET", b"/v1/models/resnet/versions/" + b"9" * 5000, [], b"", bytes)
@example(b"GET", b"/v1/models/resnet/versions/" + b"9" * 20, [], b"", bytes)
@within
def test_rest_answers_random_requests_without_an_internal_error(server, method, path, more_headers, body, pack):
    packed = pack(body)
    more_headers = more_headers + ([b"Content-Encoding: gzip"] if packed != body else [])
    answer = sent_raw(server, rest_request(method, path, more_headers, packed))
    assume(answer)  # a body that never comes is not answered
    assert answer.startswith(b"HTTP/1.1 ")
    assert int(answer.split(b" ", 2)[1]) in {100, 200, 400, 404, 405, 408, 413, 431, 501, 503}, answer
    assert server.predict({"instances": [IMAGE]}).status == 200


sizes = st.integers(-1, 5) | st.sampled_from([1 << 20, 1 << 40, (1 << 63) - 1])
tensors = st.builds(
    lambda dtype, shape, unknown, **fields: tensor_pb2.TensorProto(
        dtype=dtype,
        tensor_shape={"dim": [{"size": size} for size in shape], "unknown_rank": unknown},
        **fields,
    ),
    st.sampled_from([1, 2, 7, 10]) | st.integers(-(2**31), 2**31 - 1) | st.integers(0, 130),
    st.lists(sizes, max_size=5) | st.just([1, 4, 4, 3]) | st.just([1] * 300) | st.just([1 << 22, 4, 4, 3]),
    st.booleans(),
    tensor_content=st.binary(max_size=9) | st.just(b"\0" * 192),
    float_val=st.lists(st.floats(width=32), max_size=3),
    double_val=st.lists(st.floats(), max_size=3),
    bool_val=st.lists(st.booleans(), max_size=3),
    string_val=st.lists(st.binary(max_size=3), max_size=3),
)
names = st.text(st.characters(codec="utf-8"), max_size=8) | st.just("\x00")
inputs = st.one_of(
    st.fixed_dictionaries({"image_input": tensors}),
    st.fixed_dictionaries({"zeros": tensors, "flags": tensors, "text": tensors}),
    st.dictionaries(names, tensors, max_size=2),
)
predict_requests = st.builds(
    lambda model, signature, version, label, **fields: predict_pb2.PredictRequest(
        model_spec={"name": model, "signature_name": signature} | version | label, **fields
    ),
    st.just("resnet") | names,
    st.sampled_from(["", "mixed", "counting"]) | names,
    st.just({}) | st.integers(-(2**63), 2**63 - 1).map(lambda number: {"version": {"value": number}}),
    st.just({}) | names.map(lambda name: {"version_label": name}),
    inputs=inputs,
    output_filter=st.just([]) | st.lists(names | st.just("resnet50"), max_size=3),
).map(predict_pb2.PredictRequest.SerializeToString)


def parses(message: bytes) -> bool:
    try:
        predict_pb2.PredictRequest.FromString(message)
    except DecodeError:
        return False
    return True


def image_of(dtype=1, shape=(1, 4, 4, 3), **fields) -> bytes:
    request = predict_pb2.PredictRequest(model_spec={"name": "resnet"})
    dims = {"dim": [{"size": size} for size in shape]}
    request.inputs["image_input"].CopyFrom(tensor_pb2.TensorProto(dtype=dtype, tensor_shape=dims, **fields))
    return request.SerializeToString()


GOOD = predict_pb2.PredictRequest(
    model_spec={"name": "resnet"}, inputs={"image_input": tf.make_tensor_proto(np.zeros((1, 4, 4, 3), np.float32))}
).SerializeToString()


@pytest.fixture(scope="module")
def predict(channel):
    return channel.unary_unary("/tensorflow.serving.PredictionService/Predict")


@given(message=predict_requests | st.binary(max_size=40))
@example(image_of(shape=(1 << 20, 4, 4, 3), float_val=[0]))
@example(image_of(dtype=77, float_val=[0]))
@example(image_of(dtype=101, float_val=[0]))
@example(image_of(shape=(1,) * 5000, float_val=[0]))
@within
def test_grpc_answers_random_messages_without_an_internal_error(predict, message):
    call = predict.future(message, timeout=30)
    broken = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED}
    assert call.code() not in broken | ({grpc.StatusCode.INTERNAL} if parses(message) else set()), call.details()
    predict(GOOD, timeout=30)
