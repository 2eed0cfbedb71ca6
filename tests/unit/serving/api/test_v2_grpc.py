"""The Open Inference Protocol over gRPC: the same answers as over its JSON, and the right refusals.

Requests are written with the load generator's own table of the messages, not with the server's.
"""

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.clients.v2.v2_grpc import InferRequest, InferResponse
from serving.api.v2_messages import MESSAGES, infer_request
from serving.errors import ServingError

Channel = grpc.Channel
Message = Any
IMAGE = (1, 4, 4, 3)


def call(channel: Channel, method: str, request: bytes = b"") -> bytes:
    answer: bytes = channel.unary_unary(f"/inference.GRPCInferenceService/{method}")(request, timeout=30)
    return answer


def infer(channel: Channel, request: Message) -> Message:
    return InferResponse.FromString(call(channel, "ModelInfer", request.SerializeToString()))


def add(
    request: Message, name: str, datatype: str, shape: tuple[int, ...], raw: bytes | None = None, **contents: Any
) -> Message:
    tensor = request.inputs.add(name=name, datatype=datatype, shape=shape)
    if raw is not None:
        request.raw_input_contents.append(raw)
    for field, values in contents.items():
        getattr(tensor.contents, field).extend(values)
    return request


def image(raw: bytes | None = None, shape: tuple[int, ...] = IMAGE, datatype: str = "FP32", **contents: Any) -> Message:
    values = {"fp32_contents": [0.5] * 48} if raw is None and not contents else contents
    return add(InferRequest(model_name="resnet"), "image_input", datatype, shape, raw, **values)


def mixed(**contents: Any) -> Message:
    request = InferRequest(model_name="resnet")
    request.parameters.add(key="signature_name").value.string_param = "mixed"
    add(request, "zeros", "FP64", (2,), fp64_contents=contents.get("zeros", [1, 2.5]))
    add(request, "flags", "BOOL", (2, 2), bool_contents=contents.get("flags", [True, False, False, True]))
    return add(request, "text", "BYTES", (2,), bytes_contents=contents.get("text", ["é".encode(), b""]))


@pytest.mark.parametrize("as_bytes", [True, False])
def test_it_answers_as_the_model_does_for_values_as_bytes_and_by_their_type(
    channel: Channel, direct: Callable[..., Any], images: Any, *, as_bytes: bool
) -> None:
    given = {"raw": images.tobytes()} if as_bytes else {"fp32_contents": images.ravel()}
    request = image(shape=images.shape, **given)
    request.id = "7"
    answer = infer(channel, request)
    [output] = answer.outputs
    assert (output.name, output.datatype, tuple(output.shape)) == ("resnet50", "FP32", (5, 10))
    values = np.frombuffer(answer.raw_output_contents[0], np.float32).reshape(5, 10)
    np.testing.assert_allclose(values, direct(images), atol=1e-6)
    said = MESSAGES["ModelInferResponse"].FromString(answer.SerializeToString())
    assert (said.model_name, said.model_version, said.id) == ("resnet", "12", "7")


def test_every_type_is_taken_and_given_and_outputs_are_chosen(channel: Channel) -> None:
    answer = infer(channel, mixed())
    found = dict(zip([output.name for output in answer.outputs], answer.raw_output_contents, strict=True))
    assert found == {
        "flags": bytes([0, 1, 1, 0]),
        "text_bytes": b"\2\0\0\0" + "é".encode() + bytes(4),
        "zeros": np.array([2.0, 5.0]).tobytes(),
    }
    chosen = MESSAGES["ModelInferRequest"].FromString(mixed().SerializeToString())
    chosen.outputs.add(name="zeros")
    assert [output.name for output in infer(channel, chosen).outputs] == ["zeros"]


def test_half_precision_is_taken_and_given_as_bytes(channel: Channel) -> None:
    request = InferRequest(model_name="resnet")
    request.parameters.add(key="signature_name").value.string_param = "halves"
    add(request, "half", "FP16", (2,), np.array([1, 2.5], np.float16).tobytes())
    # The upper half of float32's bits.
    brain = (np.array([1, 3], np.float32).view(np.uint32) >> 16).astype(np.uint16)
    add(request, "brain", "BF16", (2,), brain.tobytes())
    answer = infer(channel, request)
    found = dict(zip([output.name for output in answer.outputs], answer.raw_output_contents, strict=True))
    assert found["half"] == np.array([2, 5], np.float16).tobytes()
    doubled = np.frombuffer(found["brain"], np.uint16).astype(np.uint32) << 16
    assert doubled.view(np.float32).tolist() == [2, 6]


def test_health_readiness_and_metadata_are_those_of_the_model(channel: Channel) -> None:
    assert call(channel, "ServerLive") == call(channel, "ServerReady") == b"\x08\x01"
    named = MESSAGES["ModelReadyRequest"](name="resnet", version="12").SerializeToString()
    assert call(channel, "ModelReady", named) == b"\x08\x01"
    server = MESSAGES["ServerMetadataResponse"].FromString(call(channel, "ServerMetadata"))
    assert (server.name, list(server.extensions)) == ("shapebench-embedded", [])
    model = MESSAGES["ModelMetadataResponse"].FromString(call(channel, "ModelMetadata", named))
    assert (model.name, list(model.versions), model.platform) == ("resnet", ["12"], "tensorflow_savedmodel")
    for tensors, described in (
        (model.inputs, ("image_input", "FP32", [-1, 4, 4, 3])),
        (model.outputs, ("resnet50", "FP32", [-1, 10])),
    ):
        assert [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in tensors] == [described]


def with_field(request: Message, **fields: str) -> Message:
    changed = MESSAGES["ModelInferRequest"].FromString(request.SerializeToString())
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def of_signature(name: str, request: Message) -> Message:
    request.parameters.add(key="signature_name").value.string_param = name
    return request


def twice() -> Message:
    request = of_signature("mixed", InferRequest(model_name="resnet"))
    for _ in "12":
        add(request, "zeros", "FP64", (1,), fp64_contents=[1])
    return request


REFUSED = {
    "no inputs": (InferRequest(model_name="resnet"), "Missing but required: {image_input}"),
    "an unknown input": (add(InferRequest(model_name="resnet"), "x", "FP32", (1,), fp32_contents=[1]), "extra: {x}"),
    "an input twice": (twice(), "given twice"),
    "another type": (image(datatype="FP64"), "expects FP32 but FP64"),
    "another field": (image(fp64_contents=[0.5] * 48), "has 0 values, but its shape holds 48"),
    "a wrong shape": (image(shape=(1, 3, 4, 4)), "expects shape [?,4,4,3] but got [1,3,4,4]"),
    "too few values": (image(fp32_contents=[0.5] * 47), "47 values, but its shape holds 48"),
    "too few bytes": (image(raw=bytes(188)), "47 values, but its shape holds 48"),
    "half a value": (image(raw=bytes(191)), "end within a value"),
    "a huge shape": (image(shape=(1 << 62, 1 << 62)), "its shape holds"),
    "a negative size": (image(shape=(-1, 4, 4, 3)), "no list of sizes"),
    "NaN": (image(fp32_contents=[float("nan")] * 48), "NaN or infinite"),
    "more inputs than there are": (add(mixed(), "zeros", "FP64", (1,), fp64_contents=[1]), "has 4 inputs"),
    "bytes for one of three": (add(mixed(), "more", "FP64", (1,), bytes(8)), "raw_input_contents has 1 entries for 4"),
    "an unknown signature": (of_signature("x", image()), 'name: "x" not found'),
    "half precision by its type": (
        of_signature(
            "halves",
            add(add(InferRequest(model_name="resnet"), "half", "FP16", (1,)), "brain", "BF16", (1,)),
        ),
        "send it in raw_input_contents",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "said"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_request_is_refused_with_the_problem_by_name(channel: Channel, request_: Message, said: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        infer(channel, request_)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert said in refused.value.details()


@pytest.mark.parametrize("version", ["7", "x", "-1", "9" * 5000, "\N{SUPERSCRIPT TWO}"])
def test_another_version_is_not_found(channel: Channel, version: str) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        infer(channel, with_field(image(), model_version=version))
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_another_model_is_not_found_and_another_method_not_implemented(channel: Channel) -> None:
    named = MESSAGES["ModelMetadataRequest"](name="other").SerializeToString()
    for method in ("ModelMetadata", "ModelReady"):
        with pytest.raises(grpc.RpcError) as refused:
            call(channel, method, named)
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError) as refused:
        call(channel, "RepositoryIndex")
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


@given(st.binary(max_size=80) | st.integers(0, 79).map(lambda at: image(raw=bytes(192)).SerializeToString()[:at]))
def test_whatever_bytes_are_sent_are_read_as_protobuf_reads_them(content: bytes) -> None:
    try:
        right = MESSAGES["ModelInferRequest"].FromString(content)
    except DecodeError:
        with pytest.raises(DecodeError):
            infer_request(content)
    else:
        assert infer_request(content) == right


@pytest.mark.parametrize(
    "content",
    [image(shape=(1,) * 300).SerializeToString() * 10_000, image(int64_contents=[0] * (1 << 21)).SerializeToString()],
    ids=["fields", "numbers"],
)
def test_a_request_that_would_take_far_more_memory_than_its_bytes_is_refused_unread(content: bytes) -> None:
    with pytest.raises(ServingError, match="raw_input_contents"):
        infer_request(content)
