"""Checks a gRPC answer: message, outputs, types, shapes, every number finite. Needs protobuf."""

import math
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import DecodeError

from loadtest.generator.clients.client import once_examined
from loadtest.generator.clients.grpc_messages import DATA_TYPES, VALUES, PredictResponse
from loadtest.generator.payload import CODES, Output


class GrpcCheck:
    """Checks serialised predict responses against the outputs of a right answer."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self._outputs = {each.name: each for each in outputs}
        self.error_of = once_examined(self._examine)

    def _examine(self, content: bytes) -> str | None:
        try:
            answered = PredictResponse.FromString(content).outputs
        except DecodeError:
            return "not_protobuf"
        tensors = {each.key: each.value for each in answered}
        if tensors.keys() != self._outputs.keys():
            return "bad_shape"
        checked = (_error_of(tensor, self._outputs[name]) for name, tensor in tensors.items())
        return next((error for error in checked if error), None)


def _error_of(tensor: Any, output: Output) -> str | None:  # noqa: ANN401 - its class is made at run time
    if tensor.dtype != DATA_TYPES[output.dtype]:
        return "not_numbers"
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if not output.fits(shape):
        return "bad_shape"
    values: Sequence[float] = getattr(tensor, VALUES[output.dtype])
    if tensor.tensor_content:
        try:
            # In the machine's byte order, as TensorFlow writes it; nobody serves on a big-endian one.
            values = memoryview(tensor.tensor_content).cast(CODES[output.dtype])
        except TypeError:  # part of a value
            return "bad_shape"
    if len(values) != math.prod(shape):
        return "bad_shape"
    return None if all(map(math.isfinite, values)) else "not_finite"
