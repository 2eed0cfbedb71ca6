"""Reads the answers of the Open Inference Protocol's REST call, in JSON or with binary tensors. Standard library only.

Sources: those of loadtest.generator.clients.v2.request.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from loadtest.generator.clients.answer_check import Answered, WrongAnswerError, require_numbers
from loadtest.generator.clients.v2.data_types import DATATYPES, json_bytes
from loadtest.generator.nested import flat
from loadtest.generator.payload import STRING, Output, strings_in, unpacked


def read_v2(content: bytes, outputs: Mapping[str, Output]) -> Mapping[str, Answered]:
    """A tensor has its values in the JSON, or behind it where its `binary_data_size` says how many bytes they are."""
    document, at = _parsed(content)
    found: dict[str, Answered] = {}
    for tensor in _tensors(document):
        output = outputs.get(str(tensor.get("name")))
        if output is None or output.name in found:
            raise WrongAnswerError("bad_shape")
        size = _binary_size(tensor)
        data = tensor.get("data") if size is None else content[at : at + size]
        at += size or 0
        found[output.name] = _answered(tensor, data, output)
    if found.keys() != outputs.keys() or at != len(content):
        raise WrongAnswerError("bad_shape")
    return found


def _parsed(content: bytes) -> tuple[Any, int]:
    """The JSON, and the place where it ends."""
    try:
        try:
            return json.loads(content), len(content)
        except ValueError:
            at = json_bytes(content)
            return json.loads(content[:at]), at
    except (ValueError, RecursionError):
        raise WrongAnswerError("not_json") from None


def _tensors(document: object) -> Sequence[dict[str, Any]]:
    tensors = document.get("outputs") if isinstance(document, dict) else None
    if not isinstance(tensors, list) or not all(isinstance(tensor, dict) for tensor in tensors):
        raise WrongAnswerError("bad_shape")
    return tensors


def _binary_size(tensor: Mapping[str, Any]) -> int | None:
    parameters = tensor.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None and (type(size) is not int or size < 0):
        raise WrongAnswerError("bad_shape")
    return size


def _answered(tensor: Mapping[str, Any], data: object, output: Output) -> Answered:
    require_datatype(tensor.get("datatype"), output)
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise WrongAnswerError("bad_shape")
    if isinstance(data, bytes):
        return Answered(tuple(shape), values_in(data, output))
    try:
        _, values = flat(data)
    except ValueError:
        raise WrongAnswerError("bad_shape") from None
    if output.dtype == STRING:
        if not all(isinstance(value, str) for value in values):
            raise WrongAnswerError("not_strings")
        return Answered(tuple(shape), [value.encode(errors="surrogatepass") for value in values])
    require_numbers(values, output)
    return Answered(tuple(shape), values)


def require_datatype(given: object, output: Output) -> None:
    """Raises WrongAnswerError for another data type than the output's."""
    if given != DATATYPES[output.dtype]:
        raise WrongAnswerError("not_strings" if output.dtype == STRING else "not_numbers")


def values_in(data: bytes, output: Output) -> Sequence[Any]:
    """The values of a tensor that has them as bytes, as binary tensors and gRPC messages do."""
    try:
        return strings_in(data) if output.dtype == STRING else unpacked(output.dtype, data)
    except ValueError:
        raise WrongAnswerError("bad_shape") from None
