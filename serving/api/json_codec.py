"""Decodes JSON Predict requests, with a fast path for the usual body, and encodes the responses.

Nearly every request is one nested list of numbers for a float input. simdjson parses it into a flat typed buffer; the
nesting is then checked on the brackets and commas of the body. Every other body takes `serving.api.json_slow_path`,
which accepts all that TF Serving accepts and names what is wrong.
"""

import base64
import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
import simdjson
from numpy.typing import NDArray

from serving.api.json_slow_path import MAX_RANK, PredictBody, decode_slow_path, max_exact_integer
from serving.errors import invalid_argument, too_large
from serving.model.signature import Signature, Tensors
from stacks.server.protocols import REST

# The characters of numbers and of the space between them: without these, brackets and commas are left.
_NUMBERS_AND_SPACE = b"0123456789.eE+- \t\r\n"
# 13 photographs of ResNet50's size.
_MAX_VALUES = 2 << 20
# A parser keeps the memory of its largest document, so it is not kept after a larger one.
LARGE_BYTES = 1 << 20
_FAST_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


class _PerThread(threading.local):
    """A simdjson parser reuses its buffers, and only one thread may use it at a time."""

    def __init__(self) -> None:
        self.parser = simdjson.Parser()


_per_thread = _PerThread()


def decode(body: bytes, find_signature: Callable[[str], Signature]) -> PredictBody:
    """Decode a Predict body; `find_signature` raises if the request names an unknown signature.

    Raises INVALID_ARGUMENT, naming the problem and its place.
    """
    require_few_values(body)
    with parser(body) as one:
        return _decode_fast_path(one, body, find_signature) or decode_slow_path(body, find_signature)


def require_few_values(body: bytes) -> None:
    """Raises 413 where simdjson would take too much memory, which is up to 20 bytes for each byte of a body."""
    # A number and its comma are two bytes at least.
    if len(body) > 2 * _MAX_VALUES and (values := body.count(b",") + 1) > _MAX_VALUES:
        raise too_large(f"The body has {values} values, more than {_MAX_VALUES}; send fewer instances per request")


@contextmanager
def parser(body: bytes) -> Iterator[simdjson.Parser]:
    """The parser of this thread, for one body."""
    try:
        yield _per_thread.parser
    finally:
        if len(body) > LARGE_BYTES:
            _per_thread.parser = simdjson.Parser()


def encode(outputs: Tensors, *, row: bool) -> bytes:
    """A Predict response: `predictions` if the request had `instances`, `outputs` if it had `inputs`.

    Raises INVALID_ARGUMENT for what JSON does not carry.
    """
    values: dict[str, Any] = {name: _jsonable(name, value) for name, value in outputs.items()}
    if not row:
        return dump({"outputs": values if len(values) > 1 else next(iter(values.values()))})
    if len(values) == 1:
        return dump({"predictions": next(iter(values.values()))})
    sizes = {name: len(value) if value.ndim else None for name, value in outputs.items()}
    if None in sizes.values() or len(set(sizes.values())) > 1:
        raise invalid_argument(
            f"the outputs have no common batch size, so they cannot be in rows: {sizes}; send 'inputs' instead of"
            " 'instances'"
        )
    rows = zip(*values.values(), strict=True)
    return dump({"predictions": [dict(zip(values, row_values, strict=True)) for row_values in rows]})


def _decode_fast_path(
    one: simdjson.Parser, body: bytes, find_signature: Callable[[str], Signature]
) -> PredictBody | None:
    """The request if its body is one even list of numbers for a float input, else None."""
    try:
        document = one.parse(body)
    except (ValueError, RuntimeError):
        return None
    if not isinstance(document, simdjson.Object):
        return None
    keys = set(document.keys())  # items() would make a Python object of every number
    name = document["signature_name"] if "signature_name" in keys else ""
    row = "instances" in keys
    if not isinstance(name, str) or row == ("inputs" in keys):
        return None
    values = document["instances" if row else "inputs"]
    if not isinstance(values, simdjson.Array):
        return None
    signature = find_signature(name)
    if len(signature.inputs) != 1:
        return None
    spec = next(iter(signature.inputs.values()))
    array = _typed_array(body, values, spec.dtype) if spec.dtype in _FAST_DTYPES else None
    return None if array is None else PredictBody(signature, {spec.name: array}, row)


def _typed_array(body: bytes, values: simdjson.Array, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    try:
        with np.errstate(over="ignore"):  # the limit below excludes infinity
            flat = np.frombuffer(values.as_buffer(of_type="d"), dtype=np.float64).astype(dtype)
    except TypeError:  # not only numbers
        return None
    shape = _shape_by_first_items(values)
    if flat.size == 0 or len(shape) > MAX_RANK or math.prod(shape) != flat.size:
        return None
    # From the body's first bracket to its last: anything but this one array changes what is left.
    start, end = body.find(b"["), body.rfind(b"]") + 1
    brackets = body[start:end].translate(None, _NUMBERS_AND_SPACE)
    if len(brackets) != _bracket_count(shape) or brackets != _brackets(shape[0], shape[1:]):
        return None
    # A larger integer might not be exact, so the slow path decides; NaN compares false and takes it too.
    limit = max_exact_integer(dtype)
    return flat.reshape(shape) if flat.min() >= -limit and flat.max() <= limit else None


def _shape_by_first_items(values: simdjson.Array) -> tuple[int, ...]:
    shape: list[int] = []
    item: object = values
    while isinstance(item, simdjson.Array) and len(shape) <= MAX_RANK:
        shape.append(len(item))
        item = item[0] if shape[-1] else None
    return tuple(shape)


def _bracket_count(shape: tuple[int, ...]) -> int:
    """The number of brackets and commas in an array of this shape."""
    return shape[0] * (_bracket_count(shape[1:]) + 1) + 1 if shape else 0


def _brackets(size: int, inner: tuple[int, ...]) -> bytes:
    return b"[" + b",".join([_brackets_of_item(inner)] * size) + b"]"


@lru_cache(maxsize=8)
def _brackets_of_item(shape: tuple[int, ...]) -> bytes:
    return _brackets(shape[0], shape[1:]) if shape else b""


def _jsonable(name: str, value: NDArray[Any]) -> object:
    if value.dtype.name in REST.not_carried:
        raise invalid_argument(f"Failed to write JSON value for tensor type: {value.dtype.name}; send it over gRPC")
    if value.dtype.kind != "O":
        return value if value.flags.c_contiguous else value.copy()
    # As in TF Serving, the suffix of an output's name says that its values are bytes, not text.
    if name.endswith("_bytes"):
        return np.vectorize(lambda item: {"b64": base64.b64encode(item).decode()}, otypes=[object])(value).tolist()
    return np.vectorize(lambda item: item.decode(errors="replace"), otypes=[object])(value).tolist()


def dump(document: dict[str, Any]) -> bytes:
    """A response, with NumPy arrays of numbers in it."""
    text = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY, default=lambda value: value.tolist())
    if b"null" not in text:
        return text
    # orjson writes NaN and infinity as null; TF Serving writes NaN and Infinity.
    return json.dumps(document, default=lambda value: value.tolist()).encode()
