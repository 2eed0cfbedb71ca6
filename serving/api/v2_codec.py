"""Decodes and encodes the Open Inference Protocol's bodies: named tensors with a data type, a shape and values.

Sources: github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md, and for values behind the
JSON github.com/triton-inference-server/server, docs/protocol/extension_binary_data.md. In JSON, values may be flat or
nested; they are taken in order, and their number must be that of the shape.
"""

import math
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal, TypeGuard

import numpy as np
import simdjson
from numpy.typing import NDArray

from serving.api.json_codec import LARGE_BYTES, dump, parser, require_few_values
from serving.api.json_slow_path import MAX_BODY_BYTES, MAX_ITEMS, MAX_RANK
from serving.errors import invalid_argument, too_large
from serving.model.signature import InputSpec, Signature, Tensors
from stacks.server.protocols import V2_REST

# By NumPy's names; text is an array of objects.
_DATATYPES = {
    "bool": "BOOL",
    **{f"{sign}int{bits}": f"{sign.upper()}INT{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "float16": "FP16",
    "bfloat16": "BF16",
    "float32": "FP32",
    "float64": "FP64",
    "object": "BYTES",
}
# The types in which simdjson gives all values at once, by NumPy's kind of the input.
_BUFFERS: dict[str, tuple[Literal["d", "i", "u"], type[np.generic]]] = {
    "f": ("d", np.float64),
    "i": ("i", np.int64),
    "u": ("u", np.uint64),
}
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class InferBody:
    """A decoded request; `id` is empty where it has none, and so is `outputs` for all of them.

    `binary` are the outputs whose values go behind the JSON, and `all_binary` is whether all others do, too.
    """

    signature: Signature
    inputs: Mapping[str, NDArray[Any]]
    outputs: tuple[str, ...]
    id: str
    binary: frozenset[str]
    all_binary: bool


def datatype_of(dtype: np.dtype[Any]) -> str:
    """The protocol's name of a type; NumPy's own name where the protocol's JSON has none."""
    return _DATATYPES.get(dtype.name, dtype.name)


def decode_infer(body: bytes, json_size: str | None, find_signature: Callable[[str], Signature]) -> InferBody:
    """Decode an infer body; `find_signature` raises if `parameters.signature_name` names an unknown signature.

    `json_size` is what the header says of the JSON's size; None where the body is JSON alone. Raises INVALID_ARGUMENT,
    naming the problem and its place.
    """
    if json_size is not None and not (
        json_size.isascii() and json_size.isdecimal() and int(json_size[:19]) <= len(body)
    ):
        raise invalid_argument(f"Inference-Header-Content-Length '{json_size[:40]}' is not a size within the body")
    text = body if json_size is None else body[: int(json_size[:19])]
    binary = _Binary(memoryview(body)[len(text) :])
    require_few_values(text)
    with parser(text) as one:
        try:
            document = one.parse(text)
        except (ValueError, RuntimeError) as error:
            raise invalid_argument(f"JSON Parse error: {error}") from error
        found = _decoded(document, text, binary, find_signature)
    if binary.left:
        raise invalid_argument(f"{len(binary.left)} bytes behind the JSON are of no input")
    return found


def encode_infer(outputs: Tensors, request: InferBody, *, model_name: str, version: int) -> tuple[bytes, int | None]:
    """An infer response, and the size of its JSON where values follow.

    Raises INVALID_ARGUMENT for what JSON does not carry.
    """
    described, parts = [], []
    for name, value in outputs.items():
        one: dict[str, Any] = {"name": name, "datatype": datatype_of(value.dtype), "shape": value.shape}
        if request.all_binary or name in request.binary:
            parts.append(packed(value))
            described.append(one | {"parameters": {"binary_data_size": len(parts[-1])}})
        else:
            described.append(one | {"data": _values(name, value)})
    own_id = {"id": request.id} if request.id else {}
    text = dump({"model_name": model_name, "model_version": str(version), **own_id, "outputs": described})
    return (b"".join((text, *parts)), len(text)) if parts else (text, None)


class _Binary:
    """The bytes behind the JSON, which inputs take one after the other."""

    def __init__(self, content: memoryview) -> None:
        self.left = content

    def take(self, size: int, spec: InputSpec) -> NDArray[Any]:
        if not 0 <= size <= len(self.left):
            raise invalid_argument(f"Input '{spec.name}' has {size} bytes behind the JSON, where {len(self.left)} are")
        taken, self.left = self.left[:size], self.left[size:]
        return unpacked(taken, spec)


def input_named(name: str, datatype: str, signature: Signature) -> InputSpec:
    """The input of this name. Raises INVALID_ARGUMENT where there is none, or its type is another one."""
    if (spec := signature.inputs.get(name)) is None:
        signature.check_names([name])
        raise invalid_argument(f"Input '{name}' is not one of the model")
    if datatype != datatype_of(spec.dtype):
        raise invalid_argument(f"Input '{name}' expects {datatype_of(spec.dtype)} but {datatype} is provided")
    return spec


def shaped(values: NDArray[Any], spec: InputSpec, shape: tuple[int, ...]) -> NDArray[Any]:
    """The values as the tensor of an input. Raises INVALID_ARGUMENT where they do not fit into it."""
    if values.size != math.prod(shape):
        raise invalid_argument(f"Input '{spec.name}' has {values.size} values, but its shape holds {math.prod(shape)}")
    spec.check_type(spec.dtype.name, shape)
    return values.reshape(shape)


def unpacked(content: bytes | memoryview, spec: InputSpec) -> NDArray[Any]:
    """The values of an input from their bytes, which it may keep. Raises INVALID_ARGUMENT."""
    if spec.dtype.kind == "O":
        return _texts(spec.name, bytes(content))
    if len(content) % spec.dtype.itemsize:
        raise invalid_argument(f"Input '{spec.name}' has {len(content)} bytes, which end within a value")
    if spec.dtype.kind == "b" and bytes(content).strip(b"\0\1"):
        raise invalid_argument(f"Input '{spec.name}' has bytes that are not BOOL")
    return np.frombuffer(content, dtype=spec.dtype)


def packed(value: NDArray[Any]) -> bytes:
    """The bytes of a tensor's values, each text after its length."""
    if value.dtype.kind != "O":
        return value.tobytes()
    return b"".join(len(each).to_bytes(4, "little") + each for each in value.ravel())


def _texts(name: str, content: bytes) -> NDArray[Any]:
    """Each value after its length in four bytes."""
    found: list[bytes] = []
    at = 0
    while at < len(content):
        end = at + 4 + int.from_bytes(content[at : at + 4], "little")
        if at + 4 > len(content) or end > len(content) or len(found) == MAX_ITEMS:
            raise invalid_argument(f"Input '{name}' has bytes that end within a value, or more than {MAX_ITEMS} values")
        found.append(content[at + 4 : end])
        at = end
    values = np.empty(len(found), dtype=object)
    values[:] = found
    return values


def _decoded(document: object, body: bytes, binary: _Binary, find_signature: Callable[[str], Signature]) -> InferBody:
    if not isinstance(document, simdjson.Object):
        raise invalid_argument("The body is not a JSON object")
    tensors = document.get("inputs")
    if not isinstance(tensors, simdjson.Array) or not len(tensors):
        raise invalid_argument("'inputs' is not a list of tensors")
    parameters = _object(document, "parameters")
    signature = find_signature(_text(parameters, "signature_name", "") if parameters is not None else "")
    inputs: dict[str, NDArray[Any]] = {}
    for place, tensor in enumerate(tensors):
        if not isinstance(tensor, simdjson.Object):
            raise invalid_argument(f"inputs[{place}] is not an object")
        name = _text(tensor, "name")
        if name in inputs:
            raise invalid_argument(f"Input '{name}' is given twice")
        inputs[name] = _tensor(tensor, name, signature, body, binary)
    requested = _requested(document)
    return InferBody(
        signature,
        inputs,
        tuple(requested),
        _text(document, "id", ""),
        frozenset(name for name, is_binary in requested.items() if is_binary),
        parameters is not None and parameters.get("binary_data_output") is True,
    )


def _requested(document: simdjson.Object) -> dict[str, bool]:
    """The names of the outputs that are asked for, and whether their values go behind the JSON."""
    requested = document.get("outputs")
    if requested is None:
        return {}
    objects = [each for each in requested if isinstance(each, simdjson.Object)] if _is_list(requested) else None
    if not _is_list(requested) or objects is None or len(objects) != len(requested):
        raise invalid_argument("'outputs' is not a list of objects with a name")
    wanted = {_text(each, "name"): _object(each, "parameters") for each in objects}
    return {name: given is not None and given.get("binary_data") is True for name, given in wanted.items()}


def _is_list(value: object) -> TypeGuard[simdjson.Array]:
    return isinstance(value, simdjson.Array)


def _tensor(tensor: simdjson.Object, name: str, signature: Signature, body: bytes, binary: _Binary) -> NDArray[Any]:
    datatype = _text(tensor, "datatype")
    spec = input_named(name, datatype, signature)
    shape = _shape(tensor, name)
    parameters = _object(tensor, "parameters")
    size, data = parameters.get("binary_data_size") if parameters is not None else None, tensor.get("data")
    if isinstance(size, int):
        values = binary.take(size, spec)
    elif not isinstance(data, simdjson.Array):
        raise invalid_argument(f"Input '{name}' has no list of values as its data")
    elif spec.dtype.name in V2_REST.not_carried:
        raise invalid_argument(f"Input '{name}' is {datatype}, which JSON does not carry; send it behind the JSON")
    else:
        values = _numbers(data, spec) if spec.dtype.kind in _BUFFERS else _others(data, spec, body)
    return shaped(values, spec, shape)


def _shape(tensor: simdjson.Object, name: str) -> tuple[int, ...]:
    shape = tensor.get("shape")
    given = tuple(shape) if _is_list(shape) else ()
    sizes = tuple(size for size in given if isinstance(size, int) and type(size) is int and size >= 0)
    if not sizes or len(sizes) != len(given) or len(sizes) > MAX_RANK:
        raise invalid_argument(f"Input '{name}' has no list of sizes as its shape")
    return sizes


def _numbers(data: simdjson.Array, spec: InputSpec) -> NDArray[Any]:
    """All values at once, without a Python object for each."""
    code, dtype = _BUFFERS[spec.dtype.kind]
    try:
        flat = np.frombuffer(data.as_buffer(of_type=code), dtype=dtype)
    except (TypeError, ValueError) as error:
        raise invalid_argument(
            f"Input '{spec.name}' has data that is not {datatype_of(spec.dtype)}: {error}"
        ) from error
    with np.errstate(over="ignore"):  # what float32 does not hold is infinite then, which the signature refuses
        typed = flat.astype(spec.dtype)
    if spec.dtype.kind != "f" and not np.array_equal(typed, flat):
        raise invalid_argument(f"Input '{spec.name}' has a number that {datatype_of(spec.dtype)} does not hold")
    return typed


def _others(data: simdjson.Array, spec: InputSpec, body: bytes) -> NDArray[Any]:
    """Truth values and text, value by value."""
    items = body.count(b",")
    if len(body) > MAX_BODY_BYTES or items > MAX_ITEMS:
        raise too_large(
            f"A body of {len(body)} bytes and {items} values is too large, as it has to be decoded value by value: the"
            f" limits are {MAX_BODY_BYTES} bytes and {MAX_ITEMS}; send fewer instances per request"
        )
    wanted = bool if spec.dtype.kind == "b" else str
    with _one_at_a_time if len(body) > LARGE_BYTES else nullcontext():
        leaves = _leaves(data.as_list())
        if not all(type(leaf) is wanted for leaf in leaves):
            raise invalid_argument(f"Input '{spec.name}' has data that is not {datatype_of(spec.dtype)}")
        if wanted is bool:
            return np.array(leaves, dtype=np.bool_)
        values = np.empty(len(leaves), dtype=object)
        values[:] = [str(leaf).encode(errors="surrogatepass") for leaf in leaves]
        return values


def _leaves(level: list[Any]) -> list[Any]:
    """Without the nesting; what is nested deeper than any tensor stays."""
    for _ in range(MAX_RANK):
        if not any(isinstance(each, list) for each in level):
            break
        level = [leaf for each in level for leaf in (each if isinstance(each, list) else [each])]
    return level


def _object(document: simdjson.Object, key: str) -> simdjson.Object | None:
    found = document.get(key)
    if found is not None and not isinstance(found, simdjson.Object):
        raise invalid_argument(f"'{key}' is not an object")
    return found


def _text(document: simdjson.Object, key: str, default: str | None = None) -> str:
    found = document.get(key, default)
    if not isinstance(found, str):
        raise invalid_argument(f"'{key}' is not text")
    return found


def _values(name: str, value: NDArray[Any]) -> Any:  # noqa: ANN401 - JSON's
    if value.dtype.name in V2_REST.not_carried:
        raise invalid_argument(f"Output '{name}' is {value.dtype.name}, which JSON does not carry; ask for binary_data")
    flat = np.ascontiguousarray(value).ravel()
    return flat if value.dtype.kind != "O" else [item.decode(errors="replace") for item in flat]
