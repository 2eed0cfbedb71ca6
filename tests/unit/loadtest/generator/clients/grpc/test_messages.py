"""What goes over the wire is what TensorFlow Serving's own messages would be."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_serving.apis import predict_pb2

from loadtest.generator.clients.answer_check import AnswerCheck
from loadtest.generator.clients.grpc.answer import read_grpc
from loadtest.generator.clients.grpc.messages import DATA_TYPES, PredictRequest, PredictResponse
from loadtest.generator.clients.grpc.request import grpc_body_of
from loadtest.generator.payload import HALVES, STRING, Output, Request
from loadtest.run.payload import payload_of, photograph
from serving.api.tensor_proto import to_proto
from stacks.server.models import RESNET50
from tests.unit.loadtest.generator.test_payload import requests
from tests.unit.loadtest.plans import check_of_outputs


def check_of(*shape: int, dtype: str = "float32") -> AnswerCheck:
    """The check for the model of the responses here."""
    return check_of_outputs([Output("resnet50", dtype, shape)], read_grpc)


def photograph_message(times: int = 1) -> bytes:
    (request,) = payload_of(RESNET50).requests
    return grpc_body_of(request.repeated(times), "serving_default", "resnet")


finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def response_of(array: np.ndarray, *, as_content: bool = False) -> predict_pb2.PredictResponse:
    """As TF Serving answers, in its own message."""
    response = predict_pb2.PredictResponse()
    response.model_spec.name = "resnet"
    response.model_spec.version.value = 1
    response.outputs["resnet50"].CopyFrom(tf.make_tensor_proto(array) if as_content else to_proto(array))
    return response


def test_the_request_is_the_photograph_as_the_server_reads_it() -> None:
    request = predict_pb2.PredictRequest.FromString(photograph_message(2))
    assert request.model_spec.name == "resnet"
    assert request.model_spec.signature_name == "serving_default"
    assert list(request.inputs) == ["image_input"]
    images = tf.make_ndarray(request.inputs["image_input"])
    assert images.dtype == np.float32
    assert np.array_equal(images, [np.frombuffer(photograph(), np.uint8).reshape(224, 224, 3)] * 2)


@given(requests, st.text())
def test_any_request_is_what_the_servers_own_library_reads(sent: Request, signature: str) -> None:
    request = predict_pb2.PredictRequest.FromString(grpc_body_of(sent, signature, "any"))
    assert request.model_spec.signature_name == signature
    assert set(request.inputs) == {tensor.name for tensor in sent.inputs}
    for tensor in sent.inputs:
        read = tf.make_ndarray(request.inputs[tensor.name])
        assert (request.inputs[tensor.name].dtype, read.shape) == (
            tf.as_dtype(tensor.dtype).as_datatype_enum,
            tensor.shape,
        )
        if tensor.dtype == STRING:
            assert read.ravel().tolist() == list(tensor.values)
        else:
            values = np.frombuffer(tensor.data, tensor.stored)
            assert np.array_equal(read.ravel(), values, equal_nan=tensor.dtype.startswith("float"))


def test_types_have_the_numbers_of_the_servers_own_library() -> None:
    assert {name: tf.as_dtype(name).as_datatype_enum for name in DATA_TYPES} == DATA_TYPES


def test_the_request_has_no_field_that_the_servers_own_message_lacks() -> None:
    ours = photograph_message()
    assert predict_pb2.PredictRequest.FromString(ours).SerializeToString(deterministic=True) == ours
    assert PredictRequest.FromString(ours).SerializeToString() == ours


@given(st.lists(st.lists(finite, min_size=4, max_size=4), min_size=2, max_size=2), st.booleans())
def test_any_finite_numbers_of_the_right_shape_pass_the_first_time_and_the_second(
    rows: list[list[float]],
    as_content: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    check = check_of(2, 4)
    content = response_of(np.array(rows, np.float32), as_content=as_content).SerializeToString()
    assert check.error_of(content) is None
    assert check.error_of(content) is None


@given(st.sampled_from([math.nan, math.inf, -math.inf]), st.integers(0, 7), st.booleans())
def test_one_number_that_is_not_finite_fails_it(
    bad: float,
    place: int,
    as_content: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    values = np.arange(8, dtype=np.float32)
    values[place] = bad
    content = response_of(values.reshape(2, 4), as_content=as_content).SerializeToString()
    assert check_of(2, 4).error_of(content) == "not_finite"


def _two_outputs() -> predict_pb2.PredictResponse:
    response = response_of(np.zeros((1, 2), np.float32))
    response.outputs["more"].CopyFrom(response.outputs["resnet50"])
    return response


def _fewer_numbers_than_said() -> predict_pb2.PredictResponse:
    response = response_of(np.zeros((1, 2), np.float32))
    response.outputs["resnet50"].float_val.pop()
    return response


def _content_that_is_cut_off() -> predict_pb2.PredictResponse:
    response = response_of(np.zeros((1, 2), np.float32), as_content=True)
    response.outputs["resnet50"].tensor_content = response.outputs["resnet50"].tensor_content[:-1]
    return response


def _another_name() -> predict_pb2.PredictResponse:
    response = predict_pb2.PredictResponse()
    response.outputs["other"].CopyFrom(to_proto(np.zeros((1, 2), np.float32)))
    return response


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (predict_pb2.PredictResponse(), "bad_shape"),
        (_two_outputs(), "bad_shape"),
        (_another_name(), "bad_shape"),
        (_fewer_numbers_than_said(), "bad_shape"),
        (_content_that_is_cut_off(), "bad_shape"),
        (response_of(np.zeros((2, 1), np.float32)), "bad_shape"),
        (response_of(np.zeros(2, np.float32)), "bad_shape"),
        (response_of(np.zeros((1, 2), np.float64)), "not_numbers"),
        (response_of(np.array([["a", "b"]])), "not_numbers"),
    ],
)
def test_a_wrong_answer_has_its_class_of_error(response: predict_pb2.PredictResponse, error: str) -> None:
    check = check_of(1, 2)
    assert check.error_of(response.SerializeToString()) == error
    assert check.error_of(response.SerializeToString()) == error, "a wrong answer is not remembered as a right one"


@pytest.mark.parametrize("dtype", HALVES)
def test_values_in_half_precision_are_read_from_their_bits(dtype: str) -> None:
    values = np.array([[0.1, -2.5]]).astype(dtype)
    response = response_of(values)
    assert list(response.outputs["resnet50"].half_val) == values.view(np.uint16).ravel().tolist()
    (answered,) = read_grpc(response.SerializeToString(), {"resnet50": Output("resnet50", dtype, (1, 2))}).values()
    assert (answered.shape, list(answered.values)) == ((1, 2), values.ravel().tolist())
    for wrong in (2**16, -1):
        response.outputs["resnet50"].half_val[0] = wrong
        assert check_of(1, 2, dtype=dtype).error_of(response.SerializeToString()) == "not_numbers"


def test_bytes_that_are_not_a_message_have_a_class_of_error() -> None:
    assert check_of(1, 2).error_of(b"\xff\xff") == "not_protobuf"


def test_our_response_reads_what_theirs_wrote() -> None:
    theirs = response_of(np.array([[0.25, 0.75]], np.float32))
    (output,) = PredictResponse.FromString(theirs.SerializeToString()).outputs
    assert output.key == "resnet50"
    assert list(output.value.float_val) == [0.25, 0.75]


@pytest.mark.parametrize("dtype", DATA_TYPES)
@pytest.mark.parametrize("as_content", [False, True])
def test_an_output_may_have_any_type_and_number_of_dimensions(dtype: str, as_content: bool) -> None:  # noqa: FBT001 - pytest gives it
    check = check_of(2, 1, 3, dtype=dtype)
    values = np.arange(6).reshape(2, 1, 3).astype(bytes if dtype == STRING else dtype)
    assert check.error_of(response_of(values, as_content=as_content).SerializeToString()) is None
    other = response_of(np.zeros((2, 1, 3), np.int16 if dtype == "uint8" else np.uint8), as_content=as_content)
    assert check.error_of(other.SerializeToString()) == ("not_strings" if dtype == STRING else "not_numbers")
