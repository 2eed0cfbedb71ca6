"""What goes over the wire is what TensorFlow Serving's own messages would be."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_serving.apis import predict_pb2

from loadtest.generator.clients.grpc_check import GrpcCheck
from loadtest.generator.clients.grpc_messages import PredictRequest, PredictResponse
from loadtest.generator.clients.grpc_request import INPUT, grpc_body_of
from loadtest.run.payload import photograph
from serving.api.tensor_proto import to_proto
from serving.export import resnet50

finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def response_of(array: np.ndarray, *, as_content: bool = False) -> predict_pb2.PredictResponse:
    """As TF Serving answers, in its own message."""
    response = predict_pb2.PredictResponse()
    response.model_spec.name = "resnet"
    response.model_spec.version.value = 1
    response.outputs["resnet50"].CopyFrom(tf.make_tensor_proto(array) if as_content else to_proto(array))
    return response


def test_the_request_is_the_photograph_as_the_server_reads_it() -> None:
    request = predict_pb2.PredictRequest.FromString(grpc_body_of(photograph().tobytes(), "resnet", batch=2))
    assert request.model_spec.name == "resnet"
    assert request.model_spec.signature_name == "serving_default"
    assert list(request.inputs) == [resnet50.INPUT] == [INPUT]
    images = tf.make_ndarray(request.inputs[INPUT])
    assert images.dtype == np.float32
    assert np.array_equal(images, np.stack([photograph()] * 2))


def test_the_request_has_no_field_that_the_servers_own_message_lacks() -> None:
    ours = grpc_body_of(photograph().tobytes(), "resnet")
    assert predict_pb2.PredictRequest.FromString(ours).SerializeToString(deterministic=True) == ours
    assert PredictRequest.FromString(ours).SerializeToString() == ours


def test_pixels_that_are_not_one_image_are_refused() -> None:
    with pytest.raises(ValueError, match="5 bytes are not one image"):
        grpc_body_of(b"12345", "resnet")


@given(st.lists(st.lists(finite, min_size=4, max_size=4), min_size=2, max_size=2), st.booleans())
def test_any_finite_numbers_of_the_right_shape_pass_the_first_time_and_the_second(
    rows: list[list[float]],
    as_content: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    check = GrpcCheck((2, 4))
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
    assert GrpcCheck((2, 4)).error_of(content) == "not_finite"


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


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (predict_pb2.PredictResponse(), "bad_shape"),
        (_two_outputs(), "bad_shape"),
        (_fewer_numbers_than_said(), "bad_shape"),
        (_content_that_is_cut_off(), "bad_shape"),
        (response_of(np.zeros((2, 1), np.float32)), "bad_shape"),
        (response_of(np.zeros(2, np.float32)), "bad_shape"),
        (response_of(np.zeros((1, 2), np.float64)), "not_numbers"),
        (response_of(np.array([["a", "b"]])), "not_numbers"),
    ],
)
def test_a_wrong_answer_has_its_class_of_error(response: predict_pb2.PredictResponse, error: str) -> None:
    check = GrpcCheck((1, 2))
    assert check.error_of(response.SerializeToString()) == error
    assert check.error_of(response.SerializeToString()) == error, "a wrong answer is not remembered as a right one"


def test_bytes_that_are_not_a_message_have_a_class_of_error() -> None:
    assert GrpcCheck((1, 2)).error_of(b"\xff\xff") == "not_protobuf"


def test_our_response_reads_what_theirs_wrote() -> None:
    theirs = response_of(np.array([[0.25, 0.75]], np.float32))
    (output,) = PredictResponse.FromString(theirs.SerializeToString()).outputs
    assert output.key == "resnet50"
    assert list(output.value.float_val) == [0.25, 0.75]
