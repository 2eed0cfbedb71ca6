"""Which image names still mean the same tomorrow."""

from importlib.metadata import version

import pytest

from stacks.server.images import exact_image
from stacks.server.protocols import GRPC, REST

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    "image",
    [
        "tensorflow/serving:2.20.0",
        "registry.example:5000/serving:2.20.0-mkl",
        f"tensorflow/serving@{DIGEST}",
        f"tensorflow/serving:2.20.0@{DIGEST}",
    ],
)
def test_a_version_or_a_digest_is_exact(image):
    assert exact_image(image) == image


@pytest.mark.parametrize(
    "image",
    [
        "tensorflow/serving",
        "tensorflow/serving:latest",
        "tensorflow/serving:nightly",
        "registry.example:5000/serving",
        "tensorflow/serving@sha256:0",
        "tensorflow/serving:",
        "",
    ],
)
def test_anything_else_is_refused_with_the_fix(image):
    with pytest.raises(ValueError, match=r"tensorflow/serving:2\.20\.0, or a digest"):
        exact_image(image)


@pytest.mark.parametrize("image", [REST.generator_image, GRPC.generator_image])
def test_the_generator_images_have_the_locust_version_of_this_environment(image: str):
    assert image.rpartition(":")[2] == version("locust")
