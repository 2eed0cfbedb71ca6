"""Writes a payload as the body of the Open Inference Protocol's REST call, in JSON or with binary tensors.

Source: github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md, and for binary tensors
github.com/triton-inference-server/server, docs/protocol/extension_binary_data.md. Standard library only.
"""

import json
from collections.abc import Mapping
from typing import Any

from loadtest.generator.clients.v2.data_types import DATATYPES
from loadtest.generator.payload import STRING, Request, Tensor, packed

# Without one, servers give each answer an id by chance, and no two answers would have equal bytes.
ID = "shapebench"
# What a request without a signature is for; the protocol itself knows none.
SIGNATURE = "serving_default"


def v2_body_of(request: Request, signature: str, _model_name: str = "") -> bytes:
    """The body with the values in JSON, flat and in row-major order; raises ValueError for bytes that are no text."""
    return _json([_described(each) | {"data": _values(each)} for each in request.inputs], _parameters(signature))


def v2_binary_body_of(request: Request, signature: str, _model_name: str = "") -> bytes:
    """The body with the values behind the JSON, little-endian, and with the same asked of the answer."""
    data = [binary_values(each) for each in request.inputs]
    inputs = [
        _described(each) | {"parameters": {"binary_data_size": len(values)}}
        for each, values in zip(request.inputs, data, strict=True)
    ]
    return b"".join((_json(inputs, _parameters(signature) | {"binary_data_output": True}), *data))


def _json(inputs: list[dict[str, Any]], parameters: Mapping[str, Any]) -> bytes:
    body = {"id": ID, **({"parameters": parameters} if parameters else {}), "inputs": inputs}
    return json.dumps(body, separators=(",", ":")).encode()


def _parameters(signature: str) -> dict[str, Any]:
    return {} if signature == SIGNATURE else {"signature_name": signature}


def _described(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "shape": tensor.shape, "datatype": DATATYPES[tensor.dtype]}


def _values(tensor: Tensor) -> list[Any]:
    return [_text(tensor.name, value) for value in tensor.values] if tensor.stored == STRING else list(tensor.values)


def _text(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise ValueError(
            f"cannot be sent the input {name!r}, because the Open Inference Protocol's JSON holds text only, and it is"
            " bytes; set shapebench:serving.protocol to v2-binary"
        ) from None


def binary_values(tensor: Tensor) -> bytes:
    """The values as bytes; text is each value after its length, as in a payload."""
    return tensor.data if tensor.stored == tensor.dtype else packed(tensor.dtype, tensor.values)
