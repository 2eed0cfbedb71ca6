"""Converts TensorProto messages to arrays and back. Imports TensorFlow."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow.core.framework import tensor_pb2

from serving.errors import invalid_argument

# A few bytes of shape can claim any size. No tensor can be larger than gRPC's own limit of a message.
_LARGEST_TENSOR_BYTES = 2**31 - 1
# TF Serving answers in these fields, not in `tensor_content`, and clients read them by name.
_VALUE_FIELDS = {
    tf.float32: "float_val",
    tf.float64: "double_val",
    **dict.fromkeys((tf.int8, tf.int16, tf.int32, tf.uint8, tf.uint16), "int_val"),
    tf.int64: "int64_val",
    tf.uint32: "uint32_val",
    tf.uint64: "uint64_val",
    tf.bool: "bool_val",
}


def from_proto(name: str, tensor: tensor_pb2.TensorProto) -> NDArray[Any]:
    """The array of input `name`. Raises INVALID_ARGUMENT if type, shape and values do not match."""
    sizes = [dimension.size for dimension in tensor.tensor_shape.dim]
    try:
        dtype = tf.as_dtype(tensor.dtype)
        if any(size < 0 for size in sizes) or math.prod(sizes) * dtype.size > _LARGEST_TENSOR_BYTES:
            raise invalid_argument(f"tensor parsing error: {name}: a tensor cannot have the shape {sizes}")
        if dtype == tf.float32 and tensor.tensor_content:
            return np.frombuffer(tensor.tensor_content, dtype=np.float32).reshape(sizes)
        return np.asarray(tf.make_ndarray(tensor))
    except (ValueError, TypeError) as error:
        raise invalid_argument(f"tensor parsing error: {name}: {error}") from error


def to_proto(array: NDArray[Any]) -> tensor_pb2.TensorProto:
    """The array as TF Serving writes it in a response."""
    dtype = tf.as_dtype(array.dtype)
    if (field := _VALUE_FIELDS.get(dtype)) is None:
        return tf.make_tensor_proto(array)
    tensor = tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum)
    for size in array.shape:
        tensor.tensor_shape.dim.add(size=size)
    getattr(tensor, field).extend(array.ravel().tolist())
    return tensor
