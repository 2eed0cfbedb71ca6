"""Predict requests and responses as JSON: the fast way for the one body that load consists of.

Nearly every request is one nested list of numbers for a float input. simdjson parses that straight into a typed
buffer; since the buffer is flat, the nesting is checked by itself, on the body's brackets and commas. Whatever is not
exactly that goes to `serving.api.json_exact`, which is slow, takes all that TF Serving takes, and names what is wrong.
"""

import base64
import json
import math
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
import simdjson
from numpy.typing import NDArray

from serving.api.errors import invalid_argument
from serving.api.json_exact import LARGEST_RANK, PredictBody, decode_exactly, largest_integer
from serving.model.signature import Signature, Tensors

# All that numbers and the space between them are made of: what is left without it is brackets and commas.
_NUMBERS_AND_SPACE = b"0123456789.eE+- \t\r\n"
_FAST_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


class _PerThread(threading.local):
    """A parser reuses its buffers from document to document, and serves one thread at a time."""

    def __init__(self) -> None:
        self.parser = simdjson.Parser()


_per_thread = _PerThread()


def decode(body: bytes, find_signature: Callable[[str], Signature]) -> PredictBody:
    """Decode a Predict body; `find_signature` raises where the request names none that exists.

    Raises INVALID_ARGUMENT, naming the problem and where it is.
    """
    return _decode_plain_numbers(body, find_signature) or decode_exactly(body, find_signature)


def encode(outputs: Tensors, *, row: bool) -> bytes:
    """A Predict response: `predictions` for a request in rows, `outputs` for one in columns."""
    values: dict[str, Any] = {name: _jsonable(name, value) for name, value in outputs.items()}
    if not row:
        return _dump({"outputs": values if len(values) > 1 else next(iter(values.values()))})
    if len(values) == 1:
        return _dump({"predictions": next(iter(values.values()))})
    sizes = {name: len(value) if value.ndim else None for name, value in outputs.items()}
    if None in sizes.values() or len(set(sizes.values())) > 1:
        raise invalid_argument(f"the outputs have no batch size in common, so ask for them in columns: {sizes}")
    rows = zip(*values.values(), strict=True)
    return _dump({"predictions": [dict(zip(values, row_values, strict=True)) for row_values in rows]})


def _decode_plain_numbers(body: bytes, find_signature: Callable[[str], Signature]) -> PredictBody | None:
    """The one plain case, or None where the body is, or may be, anything else."""
    try:
        document = _per_thread.parser.parse(body)
    except (ValueError, RuntimeError):
        return None
    if not isinstance(document, simdjson.Object):
        return None
    keys = set(document.keys())  # items() would turn every number into a Python object
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
        with np.errstate(over="ignore"):  # infinity is caught below
            flat = np.frombuffer(values.as_buffer(of_type="d"), dtype=np.float64).astype(dtype)
    except TypeError:  # not only numbers
        return None
    shape = _shape_by_first_items(values)
    if flat.size == 0 or len(shape) > LARGEST_RANK or math.prod(shape) != flat.size:
        return None
    # The only array of the body, if the test below is to hold: anything else between its ends leaves a trace.
    start, end = body.find(b"["), body.rfind(b"]") + 1
    brackets = body[start:end].translate(None, _NUMBERS_AND_SPACE)
    if len(brackets) != _bracket_count(shape) or brackets != _brackets(shape[0], shape[1:]):
        return None
    # Beyond this an integer in JSON could not be kept as it is, and NaN compares false: not the plain case.
    limit = largest_integer(dtype)
    return flat.reshape(shape) if flat.min() >= -limit and flat.max() <= limit else None


def _shape_by_first_items(values: simdjson.Array) -> tuple[int, ...]:
    shape: list[int] = []
    item: object = values
    while isinstance(item, simdjson.Array) and len(shape) <= LARGEST_RANK:
        shape.append(len(item))
        item = item[0] if shape[-1] else None
    return tuple(shape)


def _bracket_count(shape: tuple[int, ...]) -> int:
    """How many brackets and commas an array of this shape is written with."""
    return shape[0] * (_bracket_count(shape[1:]) + 1) + 1 if shape else 0


def _brackets(size: int, inner: tuple[int, ...]) -> bytes:
    return b"[" + b",".join([_brackets_of_item(inner)] * size) + b"]"


@lru_cache(maxsize=8)
def _brackets_of_item(shape: tuple[int, ...]) -> bytes:
    return _brackets(shape[0], shape[1:]) if shape else b""


def _jsonable(name: str, value: NDArray[Any]) -> object:
    if value.dtype.kind != "O":
        return value if value.flags.c_contiguous else value.copy()
    # TF Serving tells bytes from text by the output's name.
    if name.endswith("_bytes"):
        return np.vectorize(lambda item: {"b64": base64.b64encode(item).decode()}, otypes=[object])(value).tolist()
    return np.vectorize(lambda item: item.decode(errors="replace"), otypes=[object])(value).tolist()


def _dump(document: dict[str, Any]) -> bytes:
    text = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY, default=lambda value: value.tolist())
    if b"null" not in text:
        return text
    # orjson writes NaN and infinity as null; TF Serving writes NaN and Infinity, and a client can tell them apart.
    return json.dumps(document, default=lambda value: value.tolist()).encode()
