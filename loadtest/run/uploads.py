"""Makes the JPEG files that are uploaded from the images of a payload, on the machine that runs `pulumi up`."""

import io
import math
from dataclasses import replace

from loadtest.generator.payload import FLOATS, STRING, Payload, Request, Tensor, strings
from stacks.explain import SettingsError
from stacks.server.models import DEFAULT_SIGNATURE
from stacks.server.protocols import IMAGE

# Those of the photograph's own file: loadtest/payload/README.md. No chroma subsampling, so the server decodes nearly
# the pixels that the other protocols send.
QUALITY, SUBSAMPLING = 92, 0
_INSTEAD = "; set shapebench:serving.protocol to rest or grpc"


def as_uploads(payload: Payload) -> Payload:
    """The same requests, each with one JPEG file in place of its image.

    Raises SettingsError for requests of anything else than one image.
    """
    if payload.signature != DEFAULT_SIGNATURE:
        raise SettingsError(
            f"{IMAGE.title} names no signature, but the stack measures {payload.signature!r}{_INSTEAD}, or leave out"
            " shapebench:model.signature"
        )
    return replace(payload, requests=tuple(_upload(request) for request in payload.requests))


def _upload(request: Request) -> Request:
    if len(request.inputs) != 1:
        names = ", ".join(each.name for each in request.inputs)
        raise SettingsError(f"{IMAGE.title} carries one image, but the model has the inputs {names}{_INSTEAD}")
    (image,) = request.inputs
    if len(image.shape) != 4 or image.shape[0] != 1 or image.shape[3] != 3 or image.stored == STRING:
        raise SettingsError(
            f"{IMAGE.title} carries one image [1, height, width, 3], but the input {image.name!r} is sent"
            f" {list(image.shape)} of {image.dtype}{_INSTEAD}"
        )
    return Request((Tensor(image.name, STRING, (1,), STRING, strings([_jpeg(image)])),))


def _jpeg(image: Tensor) -> bytes:
    from PIL import Image  # noqa: PLC0415 - most of Pulumi's commands send nothing

    _, height, width, _ = image.shape
    file = io.BytesIO()
    Image.frombytes("RGB", (width, height), _pixels(image)).save(file, "JPEG", quality=QUALITY, subsampling=SUBSAMPLING)
    return file.getvalue()


def _pixels(image: Tensor) -> bytes:
    """The values as whole numbers of one byte."""
    if image.stored == "uint8":
        return image.data
    values = image.values
    low, high = min(values), max(values)
    # Fractions of 1 would all become black.
    least = 1 if image.dtype in FLOATS else -1
    if not (math.isfinite(low + high) and low >= 0 and least < high <= 255):
        raise SettingsError(
            f"{IMAGE.title} carries values from 0 to 255, but those of the input {image.name!r} are from {low:g} to"
            f" {high:g}; set shapebench:model.ranges.{image.name} to [0, 255], or shapebench:serving.protocol to rest"
        )
    return bytes(map(round, values))
