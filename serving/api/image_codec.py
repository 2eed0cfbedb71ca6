"""Decodes a JPEG as the image input of a model: RGB, scaled to its height and width, values from 0 to 255.

As in the published FastAPI experiment, Pillow decodes, and scales with its default filter, which is bicubic
(prepare_image in github.com/sayakpaul/ml-deployment-k8s-fastapi, api/utils/utils.py). What EXIF says of the
orientation is not applied.
"""

import io
import threading
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Resampling
from PIL.JpegImagePlugin import JpegImageFile

from serving.api.jpeg_segments import without_metadata
from serving.errors import invalid_argument, too_large
from serving.memory import trim
from serving.model.signature import InputSpec, Signature, shape_text

# 4,096 × 4,096. A decoder takes up to 16 bytes for each: a progressive JPEG's coefficients and the picture, twice.
MAX_PIXELS = 16 << 20
# Where the model takes any size, the picture becomes a tensor as it is: as many values as in a JSON body.
MAX_UNSCALED_PIXELS = (2 << 20) // 3
# Larger ones are decoded one at a time, and their memory is returned.
_ALONE_PIXELS = 1 << 20
_one_at_a_time = threading.Lock()


def decode_image(content: memoryview, signature: Signature) -> dict[str, NDArray[Any]]:
    """The inputs of a request with one image. Raises INVALID_ARGUMENT, naming the problem."""
    spec, height, width = _image_input(signature)
    jpeg = without_metadata(content)
    try:
        # Not Image.open: no other decoder may see these bytes.
        with JpegImageFile(io.BytesIO(jpeg)) as image:
            pixels = image.width * image.height
            _require_few(image, MAX_PIXELS if height and width else MAX_UNSCALED_PIXELS)
            with _one_at_a_time if pixels > _ALONE_PIXELS else nullcontext():
                values = _scaled(image, height or image.height, width or image.width)
                if pixels > _ALONE_PIXELS:
                    image.close()
                    trim()
    except (OSError, SyntaxError, ValueError) as error:
        raise invalid_argument(f"The JPEG cannot be decoded: {error}") from error
    return {spec.name: values.astype(spec.dtype)[np.newaxis]}


def _image_input(signature: Signature) -> tuple[InputSpec, int | None, int | None]:
    """The one input, and the height and width that it takes, None where it takes any."""
    specs = list(signature.inputs.values())
    if len(specs) == 1 and (spec := specs[0]).shape is not None and len(spec.shape) == 4 and spec.shape[3] == 3:
        _require_type(spec)
        return spec, spec.shape[1], spec.shape[2]
    described = ", ".join(
        f"{spec.name} {spec.dtype.name} {'any shape' if spec.shape is None else shape_text(spec.shape)}"
        for spec in specs
    )
    raise invalid_argument(
        f"The model takes no image: its signature '{signature.name}' has the inputs {described}, not one of the shape"
        " [?,height,width,3]"
    )


def _require_type(spec: InputSpec) -> None:
    if spec.dtype.kind not in "fiu" or not np.can_cast(np.uint8, spec.dtype):
        raise invalid_argument(f"Input '{spec.name}' is {spec.dtype.name}, which does not hold values from 0 to 255")


def _require_few(image: JpegImageFile, most: int) -> None:
    if image.width * image.height > most:
        raise too_large(f"The image has {image.width} x {image.height} pixels, more than {most}; send a smaller one")


def _scaled(image: JpegImageFile, height: int, width: int) -> NDArray[np.uint8]:
    picture = image.convert("RGB")
    if picture.size != (width, height):
        picture = picture.resize((width, height), Resampling.BICUBIC)
    return np.asarray(picture)
