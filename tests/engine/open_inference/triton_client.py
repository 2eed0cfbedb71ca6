"""Asks a server with Triton's client, in MLServer's environment: requests from standard input, answers as output."""

import json
import sys
from importlib import import_module
from typing import Any

import numpy as np

DTYPES = {"FP32": np.float32, "BYTES": np.object_}
# Triton's client 2.73.0 names no type for a body that is JSON only (tritonclient/http/_client.py). KServe 0.21.0 then
# takes it for binary tensors, as FastAPI passes it on as bytes (fastapi/routing.py, strict_content_type).
TYPED_JSON = "json with its type"


def answer(
    library: Any, client: Any, model: str, request: dict[str, Any], headers: dict[str, str] | None, **encoding: bool
) -> dict[str, Any]:
    inputs = []
    for name, (datatype, values) in request.items():
        array = np.array(values, DTYPES[datatype])
        inputs.append(library.InferInput(name, list(array.shape), datatype))
        inputs[-1].set_data_from_numpy(array, **encoding)
    wanted = [library.InferRequestedOutput(name, **encoding) for name in ("scores", "label")]
    result = client.infer(model, inputs, outputs=wanted, headers=headers)
    label = [value.decode() if isinstance(value, bytes) else value for value in result.as_numpy("label").ravel()]
    return {"scores": result.as_numpy("scores").tolist(), "label": label}


def main(address: str, model: str, encoding: str) -> None:
    over_grpc = encoding == "grpc"
    library = import_module(f"tritonclient.{'grpc' if over_grpc else 'http'}")
    client = library.InferenceServerClient(address)
    metadata = client.get_model_metadata(model, **({"as_json": True} if over_grpc else {}))
    headers = {"Content-Type": "application/json"} if encoding == TYPED_JSON else None
    encoded = {} if over_grpc else {"binary_data": encoding == "binary"}
    print(
        json.dumps(
            {
                "ready": client.is_server_live() and client.is_server_ready() and client.is_model_ready(model),
                "tensors": {tensor["name"]: tensor["datatype"] for tensor in metadata["inputs"] + metadata["outputs"]},
                "answers": [
                    answer(library, client, model, request, headers, **encoded) for request in json.load(sys.stdin)
                ],
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
