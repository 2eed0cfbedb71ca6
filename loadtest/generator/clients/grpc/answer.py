"""Reads a gRPC answer. Needs protobuf."""

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf.message import DecodeError

from loadtest.generator.clients.answer_check import Answered, WrongAnswerError
from loadtest.generator.clients.grpc.messages import DATA_TYPES, VALUES, PredictResponse
from loadtest.generator.payload import HALVES, STRING, Output, from_bits, unpacked


def read_grpc(content: bytes, outputs: Mapping[str, Output]) -> Mapping[str, Answered]:
    """Of a serialised predict response."""
    try:
        answered = PredictResponse.FromString(content).outputs
    except DecodeError:
        raise WrongAnswerError("not_protobuf") from None
    tensors = {each.key: each.value for each in answered}
    if tensors.keys() != outputs.keys():
        raise WrongAnswerError("bad_shape")
    return {name: _answered(tensor, outputs[name]) for name, tensor in tensors.items()}


def _answered(tensor: Any, output: Output) -> Answered:  # noqa: ANN401 - its class is made at run time
    if tensor.dtype != DATA_TYPES[output.dtype]:
        raise WrongAnswerError("not_strings" if output.dtype == STRING else "not_numbers")
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    values: Sequence[Any] = getattr(tensor, VALUES[output.dtype])
    try:
        if tensor.tensor_content and output.dtype != STRING:
            # In the machine's byte order, as TensorFlow writes it; nobody serves on a big-endian one.
            values = unpacked(output.dtype, tensor.tensor_content)
        elif output.dtype in HALVES:
            values = from_bits(output.dtype, values)
    except ValueError:
        raise WrongAnswerError("bad_shape") from None
    except OverflowError:
        raise WrongAnswerError("not_numbers") from None
    return Answered(shape, values)
