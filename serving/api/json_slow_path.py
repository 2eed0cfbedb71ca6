"""Decodes any JSON Predict request, value by value, with an exact error message. Slow.

Rules and error texts follow TF Serving's REST API (`json_tensor.cc`), so that clients can handle its errors alike.
"""

import base64
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from serving.errors import Code, ServingError, invalid_argument, too_large
from serving.model.signature import InputSpec, Signature, shape_text
from stacks.server.protocols import REST

# NumPy's own limit is 64, and a list of instances adds one.
MAX_RANK = 63
# A Python object takes up to 256 bytes, so that a body takes 256 MiB at most.
MAX_BODY_BYTES = 8 << 20
MAX_ITEMS = 1 << 20
_LARGE_BYTES = 1 << 20
_one_at_a_time = threading.Lock()
_MAX_SHOWN_CHARACTERS = 80
_Object = dict[str, Any]


@dataclass(frozen=True)
class PredictBody:
    """A decoded request. `row` is its format, and that of the response: `instances`, not `inputs`."""

    signature: Signature
    inputs: Mapping[str, NDArray[Any]]
    row: bool


def decode_slow_path(body: bytes, find_signature: Callable[[str], Signature]) -> PredictBody:
    """Decode any Predict body. Raises INVALID_ARGUMENT, naming the problem and its place."""
    items = sum(body.count(mark) for mark in b",[{")
    if len(body) > MAX_BODY_BYTES or items > MAX_ITEMS:
        raise too_large(
            f"A body of {len(body)} bytes and {items} values, lists and objects is too large, as it has to be decoded "
            f"value by value: the limits are {MAX_BODY_BYTES} bytes and {MAX_ITEMS}; send fewer instances per request"
        )
    with _one_at_a_time if len(body) > _LARGE_BYTES else nullcontext():
        return _decoded(body, find_signature)


def _decoded(body: bytes, find_signature: Callable[[str], Signature]) -> PredictBody:
    document = _parse(body)
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(f"'signature_name' key must be a string value, not {_shown(name)}")
    signature = find_signature(name)
    if not signature.inputs:
        raise invalid_argument(f"Failed to get input map for signature: {signature.name}, which takes no input")
    if "instances" in document and "inputs" in document:
        raise invalid_argument("Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist")
    if "instances" in document:
        return PredictBody(signature, _from_instances(document["instances"], signature), row=True)
    if "inputs" in document:
        return PredictBody(signature, _from_columns(document["inputs"], signature), row=False)
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def max_exact_integer(dtype: np.dtype[Any]) -> int:
    """The limit, plus or minus, within which `dtype` holds every integer exactly."""
    return (1 << (np.finfo(dtype).nmant + 1)) - 1


def _parse(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        # Unlike the fast parsers, json accepts NaN and Infinity, so that the model's own check can name them.
        document = json.loads(body.decode())
    except json.JSONDecodeError as error:
        raise invalid_argument(f"JSON Parse error: {error.msg} at offset: {error.pos}") from error
    except UnicodeDecodeError as error:
        raise invalid_argument(f"JSON Parse error: not UTF-8 at offset: {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise invalid_argument(f"JSON Parse error: {error}") from error
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {_shown(document)} Is not object")
    return document


def _from_instances(instances: object, signature: Signature) -> dict[str, NDArray[Any]]:
    if not isinstance(instances, list):
        raise invalid_argument(f"Expecting 'instances' to be an list/array, not {_shown(instances)}")
    if not instances:
        raise invalid_argument("No values in 'instances' array")
    named = _is_object(instances[0])
    if not named and len(signature.inputs) > 1:
        raise invalid_argument(
            f"instances is a plain list, but expecting list of objects with the inputs {_names(signature)}"
        )
    rows: dict[str, list[NDArray[Any]]] = {name: [] for name in signature.inputs}
    for index, instance in enumerate(instances):
        if _is_object(instance) != named:
            raise invalid_argument(f"Expecting {'object' if named else 'value/list'} at item {index} of input list")
        values = instance if named else {next(iter(signature.inputs)): instance}
        if set(values) != set(signature.inputs):
            raise invalid_argument(
                f"Failed to process element: {index} of 'instances' list. JSON object: {_shown(instance)} "
                f"keys must be equal to: {_names(signature)}"
            )
        for name, value in values.items():
            rows[name].append(_instance(value, signature.inputs[name], index, rows[name]))
    return {name: np.stack(row) for name, row in rows.items()}


def _instance(value: object, spec: InputSpec, index: int, before: list[NDArray[Any]]) -> NDArray[Any]:
    try:
        tensor = _tensor(value, spec)
        if before and tensor.shape != before[0].shape:
            expected = shape_text(before[0].shape)
            raise invalid_argument(f"Expecting shape {expected} but got: {shape_text(tensor.shape)}")
    except ServingError as error:
        raise invalid_argument(
            f"Failed to process element: {index} key: {spec.name} of 'instances' list. Error: {error.message}"
        ) from error
    return tensor


def _from_columns(inputs: object, signature: Signature) -> dict[str, NDArray[Any]]:
    if not _is_object(inputs):
        if len(signature.inputs) > 1:
            raise invalid_argument(
                f"inputs is a plain value/list, but expecting an object with the inputs {_names(signature)}"
            )
        inputs = {next(iter(signature.inputs)): inputs}
    for name in signature.inputs:
        if name not in inputs:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
    return {name: _tensor(inputs[name], spec) for name, spec in signature.inputs.items()}


def _tensor(value: object, spec: InputSpec) -> NDArray[Any]:
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        if not first:
            break
        first = first[0]
    if len(shape) > MAX_RANK:
        raise invalid_argument(f"Encountered lists nested deeper than {MAX_RANK} levels")
    leaves = _flattened(value, shape)
    flat = np.empty(len(leaves), dtype=spec.dtype)
    flat[:] = [_convert(leaf, spec.dtype) for leaf in leaves]
    return flat.reshape(shape)


def _flattened(value: object, shape: list[int]) -> list[object]:
    """The innermost values in order. Raises INVALID_ARGUMENT unless all lists of a level are equally long."""
    items: list[Any] = [value]
    for level, size in enumerate(shape):
        for item in items:
            if not isinstance(item, list):
                raise invalid_argument(
                    f"JSON Value: {_shown(item)} found at incorrect level: {level + 1} in the JSON DOM. "
                    f"Expected at level: {len(shape)}"
                )
            if len(item) != size:
                raise invalid_argument(
                    f"Encountered list at unexpected size: {len(item)} at level: {level} expected size: {size}"
                )
        items = list(chain.from_iterable(items))
    if any(isinstance(item, list) for item in items):
        raise invalid_argument(f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}")
    return items


def _convert(value: object, dtype: np.dtype[Any]) -> object:
    converters: dict[str, Callable[[object, np.dtype[Any]], object]] = {
        "f": _float, "i": _integer, "u": _integer, "b": _boolean, "O": _bytes,
    }  # fmt: skip
    if dtype.kind not in converters or dtype.name in REST.not_carried:
        raise ServingError(
            Code.UNIMPLEMENTED,
            f"Conversion of JSON Value: {_shown(value)} to type: {dtype.name}, which only gRPC carries",
        )
    return converters[dtype.kind](value, dtype)


def _float(value: object, dtype: np.dtype[Any]) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _type_error(value, dtype)
    if isinstance(value, int) and abs(value) > max_exact_integer(dtype):
        raise _lossy(value, dtype)
    if isinstance(value, float) and value - value == 0 and abs(value) > float(np.finfo(dtype).max):
        raise _lossy(value, dtype)
    return value


def _integer(value: object, dtype: np.dtype[Any]) -> int:
    limits = np.iinfo(dtype)
    if isinstance(value, bool) or not isinstance(value, int) or not limits.min <= value <= limits.max:
        raise _type_error(value, dtype)
    return value


def _boolean(value: object, dtype: np.dtype[Any]) -> bool:
    if not isinstance(value, bool):
        raise _type_error(value, dtype)
    return value


def _bytes(value: object, dtype: np.dtype[Any]) -> bytes:
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise invalid_argument(f"JSON Value: {_shown(value)} holds half of a surrogate pair") from error
    if not _is_base64(value):
        raise _type_error(value, dtype)
    try:
        return base64.b64decode(value["b64"], validate=True)
    except ValueError as error:  # of binascii; also of a character beyond ASCII
        raise invalid_argument("Unable to base64 decode") from error


def _is_object(value: object) -> TypeGuard[_Object]:
    """Whether it is an object of named tensors, and not one base64 string."""
    return isinstance(value, dict) and not _is_base64(value)


def _is_base64(value: object) -> TypeGuard[_Object]:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _type_error(value: object, dtype: np.dtype[Any]) -> ServingError:
    kind = {bool: "Bool", int: "Number", float: "Number", str: "String", dict: "Object"}.get(type(value), "Null")
    expected = "string" if dtype.kind == "O" else dtype.name
    return invalid_argument(f"JSON Value: {_shown(value)} Type: {kind} is not of expected type: {expected}")


def _lossy(value: float, dtype: np.dtype[Any]) -> ServingError:
    return invalid_argument(f"Cannot convert JSON value: {value} to {dtype.name} without loss of precision.")


def _names(signature: Signature) -> str:
    return ",".join(sorted(signature.inputs))


def _shown(value: object) -> str:
    if isinstance(value, list):
        return f"an array of {len(value)} items"
    if isinstance(value, dict):
        return f"an object with the keys {', '.join(value)}"[:_MAX_SHOWN_CHARACTERS]
    return json.dumps(value)[:_MAX_SHOWN_CHARACTERS]
