"""Reads a REST answer. Standard library only."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from loadtest.generator.clients.answer_check import Answered, WrongAnswerError, require_numbers
from loadtest.generator.nested import flat
from loadtest.generator.payload import STRING, Output


def read_rest(content: bytes, outputs: Mapping[str, Output]) -> Mapping[str, Answered]:
    """In rows, where an instance has its output or its outputs by name, or in columns, as the request was."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        raise WrongAnswerError("not_json") from None
    columns = _columns(document, outputs) if isinstance(document, dict) else {}
    if columns.keys() != outputs.keys():
        raise WrongAnswerError("bad_shape")
    return {name: _typed(column, outputs[name]) for name, column in columns.items()}


def _columns(document: Mapping[str, Any], outputs: Mapping[str, Output]) -> Mapping[str, Any]:
    names = outputs.keys()
    if "outputs" in document:
        found = document["outputs"]
        return found if isinstance(found, dict) else dict.fromkeys(names, found) if len(names) == 1 else {}
    rows = document.get("predictions")
    if not isinstance(rows, list):
        return {}
    if len(names) == 1:
        return dict.fromkeys(names, rows)
    if not all(isinstance(row, dict) and row.keys() == names for row in rows):
        return {}
    return {name: [row[name] for row in rows] for name in names}


def _typed(column: object, output: Output) -> Answered:
    try:
        shape, values = flat(column)
    except ValueError:
        raise WrongAnswerError("bad_shape") from None
    if not output.fits(shape):
        raise WrongAnswerError("bad_shape")
    if output.dtype == STRING:
        return Answered(shape, [_bytes(value) for value in values])
    require_numbers(values, output)
    return Answered(shape, values)


def _bytes(value: object) -> bytes:
    """Text, or an object with bytes in base64."""
    if isinstance(value, str):
        return value.encode(errors="surrogatepass")
    encoded = value.get("b64") if isinstance(value, dict) else None
    if not isinstance(encoded, str):
        raise WrongAnswerError("not_strings")
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        raise WrongAnswerError("not_strings") from None
