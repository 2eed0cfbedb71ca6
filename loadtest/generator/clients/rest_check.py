"""Checks a REST answer: status, JSON, shape, every number finite. Standard library only."""

import json
import math
from typing import Any

from loadtest.generator.clients.client import once_examined


class RestCheck:
    def __init__(self, expected_shape: tuple[int, int]) -> None:
        """`expected_shape` is (images in the request, classes of the model)."""
        self._batch, self._classes = expected_shape
        self._content_error = once_examined(self._examine)

    def error_of(self, status: int, content: bytes) -> str | None:
        """The class of error, or None when the answer is correct."""
        return self._content_error(content) if status == 200 else f"http_{status}"

    def _examine(self, content: bytes) -> str | None:
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            return "not_json"
        predictions = document.get("predictions") if isinstance(document, dict) else None
        if not isinstance(predictions, list) or len(predictions) != self._batch:
            return "bad_shape"
        return next((error for row in predictions if (error := self._error_of_row(row))), None)

    def _error_of_row(self, row: Any) -> str | None:  # noqa: ANN401 (whatever the server sent)
        if not isinstance(row, list) or len(row) != self._classes:
            return "bad_shape"
        if not all(type(value) is float or type(value) is int for value in row):
            return "not_numbers"
        try:
            return None if all(map(math.isfinite, row)) else "not_finite"
        except OverflowError:  # a whole number beyond the range of a float
            return "not_finite"
