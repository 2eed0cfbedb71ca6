"""The photograph that every request sends."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from loadtest.generator.clients.rest_request import rest_body_of

PHOTOGRAPH = Path(__file__).parents[1] / "payload" / "chelsea.jpg"


def photograph() -> npt.NDArray[np.uint8]:
    """The photograph as RGB, uint8 [224, 224, 3]; source and licence are in loadtest/payload/README.md."""
    with Image.open(PHOTOGRAPH) as image:
        return np.asarray(image.convert("RGB"))


def rest_body(batch: int = 1) -> bytes:
    """The REST request body with the photograph `batch` times: see loadtest.generator.clients.rest_request."""
    return rest_body_of(photograph().tobytes(), batch)
