"""Writes a photograph as the JSON body of TensorFlow Serving's REST predict call. Standard library only."""

import json

# The model's input: pixels per side, and colour channels.
SIDE, CHANNELS = 224, 3

_ROW_BYTES = SIDE * CHANNELS


def rest_body_of(pixels: bytes, batch: int = 1) -> bytes:
    """The body of `POST /v1/models/<name>:predict` with the photograph `batch` times, in row form.

    `pixels` is uint8 [224, 224, 3] in row-major order. Whole numbers and the JSON module's spaces, as the published
    experiment did: 0.8 MB per image. Raises ValueError where the pixels are not one image.
    """
    if len(pixels) != SIDE * _ROW_BYTES:
        raise ValueError(f"{len(pixels)} bytes are not one image, which has {SIDE} x {SIDE} x {CHANNELS} bytes")
    rows = [pixels[start : start + _ROW_BYTES] for start in range(0, len(pixels), _ROW_BYTES)]
    image = [[list(row[at : at + CHANNELS]) for at in range(0, _ROW_BYTES, CHANNELS)] for row in rows]
    return json.dumps({"signature_name": "serving_default", "instances": [image] * batch}).encode()
