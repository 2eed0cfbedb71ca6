"""The payload of a load test: what its requests carry, and the outputs of a right answer."""

import math
import random
from array import array
from collections.abc import Iterator
from pathlib import Path

from loadtest.generator.payload import CODES, Output, Payload, Tensor
from stacks.models import GENERATED, Model

PHOTOGRAPH = Path(__file__).parents[1] / "payload" / "chelsea.jpg"

_SEED = 1


def payload_of(model: Model) -> Payload:
    """One instance of what this model takes, or as many as it must have; the same each time."""
    inputs = _photograph(model) if model.payload == "photograph" else tuple(_generated(model))
    return Payload(model.signature, inputs, outputs_of(model))


def outputs_of(model: Model) -> tuple[Output, ...]:
    """The outputs of a right answer to one instance, or to as many as the model must have."""
    instances = model.inputs[0].shape[0] or 1
    return tuple(
        Output(each.name, each.dtype, (each.shape[0] or instances, *each.shape[1:]) if each.shape else None)
        for each in model.outputs
    )


def photograph() -> bytes:
    """The photograph as RGB, uint8 [224, 224, 3] in row-major order; its source is in loadtest/payload/README.md."""
    # Most of Pulumi's commands send nothing.
    from PIL import Image  # noqa: PLC0415 - see above

    with Image.open(PHOTOGRAPH) as image:
        return image.convert("RGB").tobytes()


def _photograph(model: Model) -> tuple[Tensor]:
    (image,) = model.inputs
    return (Tensor(image.name, image.dtype, image.of_one, "uint8", photograph()),)


def _generated(model: Model) -> Iterator[Tensor]:
    chance = random.Random(_SEED)  # noqa: S311 - no secret
    for each in model.inputs:
        size = math.prod(each.of_one)
        low, high = model.ranges.get(each.name, GENERATED)
        if each.dtype.startswith("float"):
            values = array(CODES[each.dtype], (chance.uniform(low, high) for _ in range(size)))
        else:
            code = "B" if each.dtype == "bool" else CODES[each.dtype]
            values = array(code, (chance.randint(round(low), round(high)) for _ in range(size)))
        yield Tensor(each.name, each.dtype, each.of_one, each.dtype, values.tobytes())
