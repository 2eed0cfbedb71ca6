"""Converts TensorProto messages to arrays and back. Imports TensorFlow."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.framework import tensor_pb2

from serving.errors import ServingError, invalid_argument
from serving.model.signature import InputSpec

# TensorShape::MaxDimensions, tensor_shape.h of TensorFlow.
_MAX_RANK = 254
# A tensor repeats its last value until its shape is full, so a few bytes of shape can claim any size.
_MAX_FILLED_BYTES = 4 << 20
_MAX_BYTES_PER_BYTE_SENT = 8
# TF Serving answers in these fields, not in `tensor_content`, and clients read them by name.
_VALUE_FIELDS = {
    tf.float32: "float_val",
    tf.float64: "double_val",
    **dict.fromkeys((tf.int8, tf.int16, tf.int32, tf.uint8, tf.uint16), "int_val"),
    tf.int64: "int64_val",
    tf.uint32: "uint32_val",
    tf.uint64: "uint64_val",
    tf.bool: "bool_val",
    # As bits.
    **dict.fromkeys((tf.float16, tf.bfloat16), "half_val"),
}


def from_proto(spec: InputSpec, tensor: tensor_pb2.TensorProto) -> NDArray[Any]:
    """The array of an input. Raises INVALID_ARGUMENT, before it takes memory, unless type, shape and values match."""
    if len(tensor.tensor_shape.dim) > _MAX_RANK:
        raise _parsing_error(spec, f"a tensor cannot have {len(tensor.tensor_shape.dim)} dimensions")
    sizes = [dimension.size for dimension in tensor.tensor_shape.dim]
    if any(size < 0 for size in sizes):
        raise _parsing_error(spec, f"a tensor cannot have the shape {sizes}")
    try:
        dtype = tf.as_dtype(tensor.dtype)
        # NumPy has another name for text than TensorFlow.
        spec.check_type(spec.dtype.name if dtype == tf.as_dtype(spec.dtype) else dtype.name, sizes)
        if dtype == tf.float32 and tensor.tensor_content:
            return np.frombuffer(tensor.tensor_content, dtype=np.float32).reshape(sizes)
        size_bytes = math.prod(sizes) * max(spec.dtype.itemsize, 1)
        if size_bytes > max(_MAX_FILLED_BYTES, _MAX_BYTES_PER_BYTE_SENT * tensor.ByteSize()):
            raise _parsing_error(spec, f"{tensor.ByteSize()} bytes cannot have the shape {sizes}; send every value")
        return np.asarray(tf.make_ndarray(tensor))
    except (ValueError, TypeError, OverflowError) as error:
        raise _parsing_error(spec, str(error)) from error


def _parsing_error(spec: InputSpec, reason: str) -> ServingError:
    return invalid_argument(f"tensor parsing error: {spec.name}: {reason}")


def to_proto(array: NDArray[Any]) -> tensor_pb2.TensorProto:
    """The array as TF Serving writes it in a response."""
    dtype = tf.as_dtype(array.dtype)
    if (field := _VALUE_FIELDS.get(dtype)) is None:
        return tf.make_tensor_proto(array)
    tensor = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    values = array.view(np.uint16) if field == "half_val" else array
    getattr(tensor, field).extend(values.ravel().tolist())
    return tensor
