"""Checks a REST answer: status, JSON, shape, every number finite. Standard library only."""

import json
import math
from collections.abc import Sequence
from typing import Any

from loadtest.generator.clients.client import once_examined
from loadtest.generator.payload import Output


class RestCheck:
    """Checks answers in row form: an instance has its output, or its outputs by name."""

    def __init__(self, outputs: Sequence[Output]) -> None:
        self._outputs = {each.name: each for each in outputs}
        self._content_error = once_examined(self._examine)

    def error_of(self, status: int, content: bytes) -> str | None:
        """The class of error, or None when the answer is correct."""
        return self._content_error(content) if status == 200 else f"http_{status}"

    def _examine(self, content: bytes) -> str | None:
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            return "not_json"
        rows = document.get("predictions") if isinstance(document, dict) else None
        if len(self._outputs) == 1:
            (output,) = self._outputs.values()
            return _error_of(rows, output.shape, _types(output))
        names = self._outputs.keys()
        if not isinstance(rows, list) or not all(isinstance(row, dict) and row.keys() == names for row in rows):
            return "bad_shape"
        checked = (
            _error_of([row[name] for row in rows], output.shape, _types(output))
            for name, output in self._outputs.items()
        )
        return next((error for error in checked if error), None)


def _types(output: Output) -> tuple[type, ...]:
    """Of its values in JSON: true and false are no numbers."""
    return (bool,) if output.dtype == "bool" else (float, int)


def _error_of(
    value: Any,  # noqa: ANN401 (whatever the server sent)
    shape: tuple[int | None, ...] | None,
    types: tuple[type, ...],
) -> str | None:
    if not isinstance(value, list) or (shape is not None and shape[0] not in (None, len(value))):
        return "bad_shape"
    if shape is None and value and isinstance(value[0], list):
        return next((error for each in value if (error := _error_of(each, None, types))), None)
    if shape is not None and len(shape) > 1:
        return next((error for each in value if (error := _error_of(each, shape[1:], types))), None)
    if not all(type(number) in types for number in value):
        return "not_numbers"
    try:
        return None if all(map(math.isfinite, value)) else "not_finite"
    except OverflowError:  # a whole number beyond the range of a float
        return "not_finite"
