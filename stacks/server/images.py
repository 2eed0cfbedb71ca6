"""Container images: exact names that mean the same image tomorrow."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

_DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
_TAG = re.compile(r":(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127})$")


def exact_image(image: str) -> str:
    """The image, if its name has a digest, or a tag with a version; raises ValueError otherwise."""
    if _DIGEST.search(image):
        return image
    tag = _TAG.search(image)
    if "@" in image or tag is None or not any(character.isdigit() for character in tag["tag"]):
        raise ValueError(
            f"{image!r} has no exact version, so tomorrow it could be another image; give a tag with a version,"
            " such as tensorflow/serving:2.20.0, or a digest (@sha256:…)"
        )
    return image


def name_and_version(image: str) -> tuple[str, str]:
    """An image's name, and its version: the tag, or the digest where there is no tag."""
    repository, _, digest = image.partition("@")
    folder, slash, last = repository.rpartition("/")
    name, _, tag = last.partition(":")
    return f"{folder}{slash}{name}", tag or digest


ExactImage = Annotated[str, AfterValidator(exact_image)]

ServingImage = Annotated[ExactImage, Field(description="The image of the server, with an exact version or a digest.")]
GeneratorImage = Annotated[
    ExactImage | None,
    Field(
        description="The image of the load generator, with an exact version or a digest; for gRPC it needs grpcio and"
        " protobuf. Leave it out for Locust's own image."
    ),
]
