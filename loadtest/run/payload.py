"""The payload of a load test: what its requests carry, and the outputs of a right answer."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loadtest.generator.payload import FLOATS, STRING, Output, Payload, Request, Tensor, packed, strings
from loadtest.run.recorded_requests import recorded_requests
from loadtest.run.uploads import as_uploads
from stacks.load.payload import PayloadSettings
from stacks.server.models import GENERATED, Model, TensorSpec
from stacks.server.protocols import IMAGE, ProtocolFacts

PHOTOGRAPH = Path(__file__).parents[1] / "payload" / "chelsea.jpg"

_SEED = 1
# Text where nothing else is said: a sentence of made-up words, as long as one in a review.
_WORDS_IN_A_SENTENCE = 16
_SYLLABLES = ("ba", "den", "fo", "gri", "ka", "lum", "me", "no", "pa", "ris", "su", "to")


@dataclass(frozen=True)
class Sent:
    """A payload, and its description in the manifest: runs with another one are not compared. None: the photograph."""

    payload: Payload
    description: str | None


def sent(model: Model, settings: PayloadSettings, checkout: Path, protocol: ProtocolFacts) -> Sent:
    """Recorded requests where the settings name them, as the protocol sends them.

    Raises SettingsError where they are not the model's, or the protocol cannot send them.
    """
    what = _sent(model, settings, checkout)
    return replace(what, payload=as_uploads(what.payload)) if protocol == IMAGE else what


def _sent(model: Model, settings: PayloadSettings, checkout: Path) -> Sent:
    if settings.path is None:
        return Sent(payload_of(model), model.requests)
    requests, digest = recorded_requests(settings.path, checkout, model)
    return Sent(
        Payload(model.signature, requests),
        f"{model.signature}, {len(requests)} recorded requests, sha256 {digest}",
    )


def payload_of(model: Model) -> Payload:
    """One instance of what this model takes, or as many as it must have; the same each time."""
    inputs = _photograph(model) if model.payload == "photograph" else tuple(_generated(model))
    return Payload(model.signature, (Request(inputs),))


def payload_file(payload: Payload, folder: Path) -> Path:
    """The payload's file in a folder, under the name of its digest; written where it is missing."""
    path = folder / payload.digest[:16]
    if not path.exists():
        from analysis.results.storage.file_system import write_to_disk  # noqa: PLC0415 - pyarrow takes 0.2 s

        write_to_disk(path, payload.to_bytes())
    return path


def outputs_of(model: Model) -> tuple[Output, ...]:
    """The outputs of a right answer; None in a shape is any size, and the number of instances where it comes first."""
    return tuple(Output(output.name, output.dtype, output.shape or None) for output in model.outputs)


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
        count = math.prod(each.of_one)
        data = (
            strings(_texts(model, each, count, chance))
            if each.dtype == STRING
            else _numbers(model, each, count, chance)
        )
        yield Tensor(each.name, each.dtype, each.of_one, each.dtype, data)


def _texts(model: Model, spec: TensorSpec, count: int, chance: random.Random) -> Iterator[bytes]:
    chosen = model.values.get(spec.name)
    for _ in range(count):
        yield str(chance.choice(chosen) if chosen else _sentence(chance)).encode()


def _sentence(chance: random.Random) -> str:
    words = ("".join(chance.choices(_SYLLABLES, k=chance.randint(1, 3))) for _ in range(_WORDS_IN_A_SENTENCE))
    return " ".join(words)


def _numbers(model: Model, spec: TensorSpec, count: int, chance: random.Random) -> bytes:
    low, high = model.ranges.get(spec.name, GENERATED)
    chosen: Any = model.values.get(spec.name)
    if chosen:
        return packed(spec.dtype, chance.choices(chosen, k=count))
    if spec.dtype in FLOATS:
        return packed(spec.dtype, (chance.uniform(low, high) for _ in range(count)))
    return packed(spec.dtype, (chance.randint(round(low), round(high)) for _ in range(count)))
