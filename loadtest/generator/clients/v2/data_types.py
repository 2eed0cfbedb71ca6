"""The data types of the Open Inference Protocol v2, and the JSON at the beginning of its messages.

Source: github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md. BF16 is Triton's. Standard
library only.
"""

import json

# By TensorFlow's names.
DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "bfloat16": "BF16",
    "float32": "FP32",
    "float64": "FP64",
    "string": "BYTES",
}

_DECODER = json.JSONDecoder()


def json_bytes(message: bytes) -> int:
    """The size of the JSON object that a message begins with; raises ValueError where it begins with something else."""
    # A character for each byte, so that places in the text are places in the message.
    return _DECODER.raw_decode(message.decode("latin-1"))[1]
