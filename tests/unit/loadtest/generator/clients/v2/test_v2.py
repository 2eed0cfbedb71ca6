"""What is sent over the Open Inference Protocol's REST call, and what passes for a right answer."""

import json
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.clients.answer_check import Answered, WrongAnswerError
from loadtest.generator.clients.v2.answer import read_v2
from loadtest.generator.clients.v2.data_types import json_bytes
from loadtest.generator.clients.v2.request import v2_binary_body_of, v2_body_of
from loadtest.generator.clients.v2.v2_grpc import InferRequest, InferResponse, read_v2_grpc, v2_grpc_body_of
from loadtest.generator.payload import STRING, Output, Request, Tensor, packed, strings
from tests.unit.loadtest.plans import check_of_outputs

IMAGE = Tensor("image", "float32", (1, 3), "uint8", bytes([1, 2, 255]))
TEXT = Tensor("text", STRING, (1,), STRING, strings([b"h\xc3\xa9"]))
BYTES = Tensor("photo", STRING, (1,), STRING, strings([b"\xff\xd8"]))
SCORES = Output("scores", "float32", (None, 2))


def answer(*tensors: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"model_name": "m", "outputs": tensors} | more).encode()


def scores(data: object = (0.25, 0.75), shape: object = (1, 2), datatype: str = "FP32", **more: Any) -> dict[str, Any]:
    return {"name": "scores", "datatype": datatype, "shape": shape, "data": data} | more


def test_a_request_has_the_values_of_each_tensor_flat_and_the_same_id_each_time() -> None:
    assert json.loads(v2_body_of(Request((IMAGE, TEXT)), "serving_default")) == {
        "id": "shapebench",
        "inputs": [
            {"name": "image", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 255]},
            {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["hé"]},
        ],
    }


def test_only_another_signature_than_the_default_is_named() -> None:
    document = json.loads(v2_body_of(Request((IMAGE,)), "rank"))
    assert document["parameters"] == {"signature_name": "rank"}


def test_bytes_that_are_no_text_go_only_as_binary_tensors() -> None:
    with pytest.raises(ValueError, match=r"'photo'.*v2-binary"):
        v2_body_of(Request((BYTES,)), "serving_default")
    assert v2_binary_body_of(Request((BYTES,)), "serving_default").endswith(struct.pack("<I", 2) + b"\xff\xd8")


def test_a_binary_request_has_the_models_type_behind_the_json() -> None:
    body = v2_binary_body_of(Request((IMAGE, TEXT)), "serving_default")
    size = json_bytes(body)
    image, text = json.loads(body[:size])["inputs"]
    assert image["parameters"] == {"binary_data_size": 12}
    assert "data" not in image
    assert np.frombuffer(body[size : size + 12], "<f4").tolist() == [1, 2, 255]
    assert body[size + 12 :] == struct.pack("<I", 3) + "hé".encode()
    assert text["parameters"] == {"binary_data_size": 7}


@given(st.text('aé{}"\\😀'), st.binary(max_size=20))
def test_the_json_ends_where_it_ends_whatever_follows(text: str, after: bytes) -> None:
    head = json.dumps({"id": text}, ensure_ascii=False).encode()
    assert json_bytes(head + after) == len(head)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2))
def test_flat_nested_and_binary_values_are_the_same_answer(values: list[float]) -> None:
    data = packed("float32", values)
    binary = scores(parameters={"binary_data_size": len(data)})
    del binary["data"]
    for content in (answer(scores(values)), answer(scores([values])), answer(binary) + data):
        read = read_v2(content, {"scores": SCORES})["scores"]
        assert (read.shape, list(read.values)) == ((1, 2), values)


def test_text_is_read_from_the_json_and_from_behind_it() -> None:
    label = {"name": "label", "datatype": "BYTES", "shape": [1]}
    data = strings(["é".encode()])
    outputs = {"label": Output("label", STRING, (None,))}
    for content in (
        answer(label | {"data": ["é"]}),
        answer(label | {"parameters": {"binary_data_size": len(data)}}) + data,
    ):
        assert read_v2(content, outputs) == {"label": Answered((1,), ["é".encode()])}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"[]", "bad_shape"),
        (b'{"outputs": 1}', "bad_shape"),
        (b'{"outputs": [1]}', "bad_shape"),
        (answer(), "bad_shape"),
        (answer(scores(), scores()), "bad_shape"),
        (answer(scores(name="other")), "bad_shape"),
        (answer(scores(datatype="FP64")), "not_numbers"),
        (answer(scores(["0.25", 0.75])), "not_numbers"),
        (answer(scores([True, 0.75])), "not_numbers"),
        (answer(scores([0.25])), "bad_shape"),
        (answer(scores([[0.25], [0.75, 1]])), "bad_shape"),
        (answer(scores(shape=[2, 1])), "bad_shape"),
        (answer(scores(shape=2)), "bad_shape"),
        (answer(scores(shape=[1.0, 2])), "bad_shape"),
        (answer(scores([0.25, float("nan")])), "not_finite"),
        (answer(scores()) + b"1234", "bad_shape"),
        (answer(scores(parameters={"binary_data_size": 8})) + b"1234", "bad_shape"),
        (answer(scores(parameters={"binary_data_size": -1})), "bad_shape"),
        (answer(scores(parameters={"binary_data_size": 7})) + b"1234567", "bad_shape"),
    ],
)
def test_what_is_no_answer_of_the_model_fails_by_a_class(content: bytes, error: str) -> None:
    assert check_of_outputs([Output("scores", "float32", (1, 2))], read_v2).error_of(content) == error


def test_an_answer_is_compared_with_the_right_one_within_the_tolerance() -> None:
    check = check_of_outputs([Output("scores", "float32", (1, 2))], read_v2, answer(scores()), tolerance=1e-3)
    assert check.error_of(answer(scores([0.2501, 0.75]), id="another")) is None
    assert check.error_of(answer(scores([0.26, 0.75]))) == "wrong_answer"


def test_a_cut_off_text_is_an_error_and_no_exception_of_another_kind() -> None:
    label = {"name": "label", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 6}}
    with pytest.raises(WrongAnswerError, match="bad_shape"):
        read_v2(answer(label) + struct.pack("<I", 9) + b"ab", {"label": Output("label", STRING, (None,))})


def test_a_grpc_request_has_the_values_as_bytes_and_names_only_another_signature() -> None:
    request = InferRequest.FromString(v2_grpc_body_of(Request((IMAGE, TEXT)), "serving_default", "m"))
    assert (request.model_name, request.id, len(request.parameters)) == ("m", "shapebench", 0)
    assert [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in request.inputs] == [
        ("image", "FP32", [1, 3]),
        ("text", "BYTES", [1]),
    ]
    assert list(request.raw_input_contents) == [packed("float32", [1, 2, 255]), TEXT.data]
    (other,) = InferRequest.FromString(v2_grpc_body_of(Request((IMAGE,)), "rank", "m")).parameters
    assert (other.key, other.value.string_param) == ("signature_name", "rank")


def grpc_answer(raw: list[bytes] | None = None, datatype: str = "FP32", name: str = "scores") -> bytes:
    response = InferResponse(raw_output_contents=raw or [])
    tensor = response.outputs.add(name=name, datatype=datatype, shape=[1, 2])
    if raw is None:
        tensor.contents.fp32_contents.extend([0.25, 0.75])
    content: bytes = response.SerializeToString()
    return content


@pytest.mark.parametrize("raw", [None, [packed("float32", [0.25, 0.75])]])
def test_a_grpc_answer_has_its_values_by_type_or_as_bytes(raw: list[bytes] | None) -> None:
    read = read_v2_grpc(grpc_answer(raw), {"scores": SCORES})["scores"]
    assert (read.shape, list(read.values)) == ((1, 2), [0.25, 0.75])


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"\xff", "not_protobuf"),
        (b"", "bad_shape"),
        (grpc_answer(name="other"), "bad_shape"),
        (grpc_answer(datatype="FP64"), "not_numbers"),
        (grpc_answer([b"", b""]), "bad_shape"),
        (grpc_answer([b"1234567"]), "bad_shape"),
        (grpc_answer([packed("float32", [0.25])]), "bad_shape"),
        (grpc_answer([packed("float32", [0.25, float("nan")])]), "not_finite"),
    ],
)
def test_what_is_no_grpc_answer_of_the_model_fails_by_a_class(content: bytes, error: str) -> None:
    assert check_of_outputs([Output("scores", "float32", (1, 2))], read_v2_grpc).error_of(content) == error
