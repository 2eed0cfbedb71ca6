"""Writes a payload as the JSON body of TensorFlow Serving's REST predict call. Standard library only."""

import json
from typing import Any

from loadtest.generator.payload import Payload, Tensor


def rest_body_of(payload: Payload) -> bytes:
    """The body of `POST /v1/models/<name>:predict` in row form: an instance is its input, or its inputs by name.

    Whole numbers are sent as such, and with the JSON module's spaces, as the published experiment did.
    """
    columns = {each.name: _instances(each) for each in payload.inputs}
    if len(columns) == 1:
        (instances,) = columns.values()
    else:
        instances = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return json.dumps({"signature_name": payload.signature, "instances": instances}).encode()


def _instances(tensor: Tensor) -> list[Any]:
    values = list(tensor.values)
    for size in reversed(tensor.shape[1:]):
        values = [values[start : start + size] for start in range(0, len(values), size)]
    return values
