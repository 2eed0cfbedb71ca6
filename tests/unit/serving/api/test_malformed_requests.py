"""Invalid requests over both APIs: the right status, the problem named, and a server that keeps working."""

import gzip
import json
import socket

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

IMAGE = np.zeros((4, 4, 3)).tolist()
RAGGED = [*IMAGE[:3], IMAGE[3][:2]]
PREDICT = "/v1/models/resnet:predict"
GZIP = {"Content-Encoding": "gzip"}


def text(document) -> bytes:
    return json.dumps(document).encode()


def with_number(number: str) -> bytes:
    return text({"instances": [IMAGE]}).replace(b"0.0", number.encode(), 1)


REST = {
    "an empty body": ("POST", PREDICT, b"", 400, "document is empty"),
    "not JSON": ("POST", PREDICT, b"photograph", 400, "JSON Parse error"),
    "JSON that ends too early": ("POST", PREDICT, text({"instances": [IMAGE]})[:-1], 400, "JSON Parse error"),
    "JSON with something after it": ("POST", PREDICT, text({"instances": [IMAGE]}) + b"}", 400, "JSON Parse error"),
    "not UTF-8": ("POST", PREDICT, b'{"instances": "\xff"}', 400, "not UTF-8"),
    "a list": ("POST", PREDICT, text([IMAGE]), 400, "Is not object"),
    "neither instances nor inputs": ("POST", PREDICT, b"{}", 400, "Missing 'inputs' or 'instances' key"),
    "both": ("POST", PREDICT, text({"instances": [IMAGE], "inputs": [IMAGE]}), 400, "only one of"),
    "instances that are no list": ("POST", PREDICT, text({"instances": 1}), 400, "'instances' to be an list"),
    "no instances": ("POST", PREDICT, text({"instances": []}), 400, "No values in 'instances'"),
    "a ragged image": ("POST", PREDICT, text({"instances": [RAGGED]}), 400, "unexpected size: 2 at level: 1"),
    "a ragged batch": ("POST", PREDICT, text({"instances": [IMAGE, IMAGE[:3]]}), 400, "Expecting shape [4,4,3]"),
    "the wrong size": ("POST", PREDICT, text({"instances": [IMAGE[:3]]}), 400, "[?,4,4,3] but got [1,3,4,3]"),
    "the wrong rank": ("POST", PREDICT, text({"inputs": IMAGE}), 400, "[?,4,4,3] but got [4,4,3]"),
    "text for a number": ("POST", PREDICT, with_number('"0"'), 400, "Type: String is not of expected type: float"),
    "null for a number": ("POST", PREDICT, with_number("null"), 400, "Type: Null"),
    "NaN": ("POST", PREDICT, with_number("NaN"), 400, "NaN or infinite"),
    "infinity": ("POST", PREDICT, with_number("-Infinity"), 400, "NaN or infinite"),
    "a number out of range": ("POST", PREDICT, with_number("1e39"), 400, "without loss of precision"),
    "an unknown input": (
        "POST",
        PREDICT,
        text({"instances": [{"image": IMAGE}]}),
        400,
        "must be equal to: image_input",
    ),
    "an unknown column": (
        "POST",
        PREDICT,
        text({"inputs": {"image": [IMAGE]}}),
        400,
        "Missing named input: image_input",
    ),
    "an unknown signature": ("POST", PREDICT, text({"signature_name": "no", "inputs": 1}), 400, '"no" not found'),
    "a signature name that is not text": ("POST", PREDICT, text({"signature_name": 1}), 400, "must be a string"),
    "an unknown model": (
        "POST",
        "/v1/models/no:predict",
        text({"inputs": 1}),
        404,
        "not found for request: Latest(no)",
    ),
    "an unknown version": ("POST", "/v1/models/resnet/versions/7:predict", b"{}", 404, "Specific(resnet, 7)"),
    "a version that is not a number": ("POST", "/v1/models/resnet/versions/x:predict", b"{}", 400, "Malformed request"),
    "an unknown label": ("POST", "/v1/models/resnet/labels/new:predict", b"{}", 400, "version label: new"),
    "an unknown verb": ("POST", "/v1/models/resnet:guess", b"{}", 400, "Malformed request: POST"),
    "another API": ("POST", "/v1/models/resnet:classify", b"{}", 501, "answers :predict only"),
    "the wrong method": ("GET", PREDICT, None, 400, "Malformed request: GET"),
    "the status of an unknown model": ("GET", "/v1/models/no", None, 404, "any versions of model no"),
    "the status of an unknown version": ("GET", "/v1/models/resnet/versions/1", None, 404, "find version 1 of"),
    "a path of another server": ("GET", "/v3/health/ready", None, 404, "Not Found"),
    "a body that is too large": ("POST", PREDICT, b" " * 100_001, 413, "larger than 100000 bytes"),
}


@pytest.fixture(autouse=True)
def the_server_keeps_working(server, images):
    yield
    assert server.predict({"instances": images[:1].tolist()}).status == 200


@pytest.mark.parametrize(("method", "path", "body", "status", "says"), REST.values(), ids=REST)
def test_rest_names_the_problem_of_a_request(server, method, path, body, status, says):
    answer = server.request(method, path, body)
    assert (answer.status, list(answer.json)) == (status, ["error"])
    assert says in answer.json["error"]


def test_rest_names_the_problem_of_a_compressed_body(server):
    packed = gzip.compress(text({"instances": [IMAGE]}))
    for body, headers, status, says in (
        (b"{}", GZIP, 400, "body is not"),
        (packed[:-9], GZIP, 400, "ends too early"),
        (gzip.compress(b" " * 100_001), GZIP, 413, "larger than 100000 bytes"),
        (packed, {"Content-Encoding": "br"}, 400, "'br' is neither gzip nor identity"),
        (packed, GZIP, 200, ""),
    ):
        answer = server.request("POST", PREDICT, body, headers)
        assert answer.status == status
        assert says in answer.json.get("error", "")


def test_a_chunked_body_that_grows_too_large_is_answered_with_413(server):
    answer = server.request("POST", PREDICT, iter([b" " * 60_000] * 2))  # sent in chunks
    assert answer.status == 413


def test_the_server_survives_a_client_that_disconnects_within_a_request(server):
    with socket.create_connection(("127.0.0.1", server.rest_port)) as connection:
        connection.sendall(f"POST {PREDICT} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf".encode())


def test_bytes_that_are_not_http_are_answered_with_400(server):
    with socket.create_connection(("127.0.0.1", server.rest_port), timeout=20) as connection:
        connection.sendall(b"\x16\x03\x01 no http\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def request_with(**changes):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = changes.get("model", "resnet")
    request.model_spec.signature_name = changes.get("signature", "")
    request.model_spec.version.value = changes.get("version", 12)
    image = changes.get("image", np.zeros((1, 4, 4, 3), np.float32))
    tensor = image if hasattr(image, "tensor_shape") else tf.make_tensor_proto(image)
    for name in changes.get("inputs", ["image_input"]):
        request.inputs[name].CopyFrom(tensor)
    request.output_filter.extend(changes.get("outputs", []))
    return request


def tensor_of(content=b"", values=(), shape=(1, 4, 4, 3), dtype=1):
    tensor = tensor_pb2.TensorProto(dtype=dtype, tensor_content=content, float_val=values)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return tensor


GRPC = {
    "an unknown model": (lambda: request_with(model="no"), "NOT_FOUND", "Specific(no, 12)"),
    "no model name": (lambda: request_with(model=""), "INVALID_ARGUMENT", "Missing model name"),
    "an unknown version": (lambda: request_with(version=7), "NOT_FOUND", "Specific(resnet, 7)"),
    "an unknown signature": (lambda: request_with(signature="no"), "FAILED_PRECONDITION", '"no" not found'),
    "no input": (lambda: request_with(inputs=[]), "INVALID_ARGUMENT", "Missing but required: {image_input}"),
    "an unknown input": (lambda: request_with(inputs=["image"]), "INVALID_ARGUMENT", "Sent extra: {image}"),
    "an input too many": (lambda: request_with(inputs=["image_input", "x"]), "INVALID_ARGUMENT", "Sent extra: {x}"),
    "the wrong dtype": (lambda: request_with(image=np.zeros((1, 4, 4, 3), np.uint8)), "INVALID_ARGUMENT", "uint8"),
    "text": (lambda: request_with(image=np.array([b"x"])), "INVALID_ARGUMENT", "expects float32"),
    "the wrong shape": (lambda: request_with(image=np.zeros((1, 4, 4), np.float32)), "INVALID_ARGUMENT", "[1,4,4]"),
    "NaN": (lambda: request_with(image=np.full((1, 4, 4, 3), np.nan, np.float32)), "INVALID_ARGUMENT", "NaN"),
    "infinity": (lambda: request_with(image=np.full((1, 4, 4, 3), np.inf, np.float32)), "INVALID_ARGUMENT", "NaN"),
    "too few bytes": (lambda: request_with(image=tensor_of(b"\0" * 12)), "INVALID_ARGUMENT", "parsing error"),
    "half a number": (lambda: request_with(image=tensor_of(b"\0" * 191)), "INVALID_ARGUMENT", "parsing error"),
    "too many values": (lambda: request_with(image=tensor_of(values=[0] * 49)), "INVALID_ARGUMENT", "parsing error"),
    "a size below 0": (lambda: request_with(image=tensor_of(shape=(-1, 4, 4, 3))), "INVALID_ARGUMENT", "parsing error"),
    "a size beyond memory": (
        lambda: request_with(image=tensor_of(values=[0], shape=(1 << 40, 4, 4, 3))), "INVALID_ARGUMENT", "parsing error"
    ),
    "a type that is none": (lambda: request_with(image=tensor_of(dtype=999)), "INVALID_ARGUMENT", "parsing error"),
    "an unknown output": (lambda: request_with(outputs=["no"]), "INVALID_ARGUMENT", "alias not found in signature: no"),
    "an output twice": (lambda: request_with(outputs=["resnet50"] * 2), "INVALID_ARGUMENT", "duplicate output"),
}  # fmt: skip


@pytest.mark.parametrize(("request_of", "code", "says"), GRPC.values(), ids=GRPC)
def test_grpc_names_the_problem_of_a_request(channel, request_of, code, says):
    with pytest.raises(grpc.RpcError) as refused:
        prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict(request_of(), timeout=30)
    assert refused.value.code() is grpc.StatusCode[code]
    assert says in refused.value.details()


def test_grpc_answers_bytes_that_are_not_a_message_with_internal(channel):
    predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError) as refused:
        predict(b"\xff\xff\xff", timeout=30)
    assert refused.value.code() is grpc.StatusCode.INTERNAL


def test_grpc_rejects_unimplemented_calls_and_invalid_metadata_requests(channel):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    no_spec = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    no_field = get_model_metadata_pb2.GetModelMetadataRequest()
    other_field = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["weather"])
    for call, message, code in (
        (stub.Classify, classification_pb2.ClassificationRequest(), "UNIMPLEMENTED"),
        (stub.GetModelMetadata, no_spec, "INVALID_ARGUMENT"),
        (stub.GetModelMetadata, no_field, "INVALID_ARGUMENT"),
        (stub.GetModelMetadata, other_field, "INVALID_ARGUMENT"),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            call(message, timeout=30)
        assert refused.value.code() is grpc.StatusCode[code]
