"""Writes a payload as the JSON body of TensorFlow Serving's REST predict call. Standard library only."""

import base64
import json
from typing import Any

from loadtest.generator.payload import STRING, Request, Tensor


def rest_body_of(request: Request, signature: str, _model_name: str = "") -> bytes:
    """The body of `POST /v1/models/<name>:predict`: the recorded one, or one in row form.

    In row form an instance is its input, or its inputs by name. Whole numbers are sent as such, and with the JSON
    module's spaces, as the published experiment did.
    """
    if request.json:
        return request.json
    columns = {each.name: _instances(each) for each in request.inputs}
    if len(columns) == 1:
        (instances,) = columns.values()
    else:
        instances = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return json.dumps({"signature_name": signature, "instances": instances}).encode()


def _instances(tensor: Tensor) -> list[Any]:
    values = [_text(value) for value in tensor.values] if tensor.stored == STRING else list(tensor.values)
    for size in reversed(tensor.shape[1:]):
        values = [values[start : start + size] for start in range(0, len(values), size)]
    return values


def _text(value: bytes) -> Any:  # noqa: ANN401 - JSON's
    """Bytes that are no text are sent in base64."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}
