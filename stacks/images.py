"""Container images: exact names that mean the same image tomorrow, and the generator's own images."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

# By protocol. The second is the first with OpenTelemetry's packages, which include grpcio and protobuf.
GENERATOR_IMAGES = {"rest": "locustio/locust:2.46.6", "grpc": "locustio/locust-otel:2.46.6"}

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


ExactImage = Annotated[str, AfterValidator(exact_image)]

ServingImage = Annotated[ExactImage, Field(description="The image of the server, with an exact version or a digest.")]
GeneratorImage = Annotated[
    ExactImage | None,
    Field(
        description="The image of the load generator, with an exact version or a digest; for gRPC it needs grpcio and"
        " protobuf. Leave it out for Locust's own image."
    ),
]
