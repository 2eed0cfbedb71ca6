"""The request that every user sends: one photograph, as the JSON body of TensorFlow Serving's REST predict call."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

PHOTOGRAPH = Path(__file__).parent / "payload" / "chelsea.jpg"


def photograph() -> npt.NDArray[np.uint8]:
    """The photograph as RGB, uint8 [224, 224, 3]; source and licence are in payload/README.md."""
    with Image.open(PHOTOGRAPH) as image:
        return np.asarray(image.convert("RGB"))


def rest_body(signature: str = "serving_default", batch: int = 1) -> bytes:
    """The body of `POST /v1/models/<name>:predict` with the photograph `batch` times, in row form.

    Whole numbers and the JSON module's spaces, as the published experiment serialised its image: 0.8 MB an image.
    """
    return json.dumps({"signature_name": signature, "instances": [photograph().tolist()] * batch}).encode()
