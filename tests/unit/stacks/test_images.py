"""Which image names still mean the same tomorrow."""

from importlib.metadata import version

import pytest

from serving.command import SERVER_NAME
from stacks.images import EMBEDDED, GENERATOR_IMAGES, exact_image, server_in

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
def test_anything_else_is_refused_with_the_mend(image):
    with pytest.raises(ValueError, match=r"tensorflow/serving:2\.20\.0, or a digest"):
        exact_image(image)


@pytest.mark.parametrize(
    ("image", "holds"),
    [
        ("tensorflow/serving:2.20.0", ("tensorflow_model_server", "2.20.0")),
        ("registry.example:5000/mine:2.20.0-mkl", ("tensorflow_model_server", "2.20.0-mkl")),
        (f"tensorflow/serving:2.20.0@{DIGEST}", ("tensorflow_model_server", "2.20.0")),
        (f"tensorflow/serving@{DIGEST}", ("tensorflow_model_server", DIGEST)),
        ("shapebench-embedded:0.1.0", (EMBEDDED, "0.1.0")),
        ("registry.example:5000/lab/shapebench-embedded-resnet:0.1.0", (EMBEDDED, "0.1.0")),
    ],
)
def test_the_embedded_server_never_goes_by_the_real_ones_name(image, holds):
    assert server_in(image) == holds
    assert EMBEDDED == SERVER_NAME


@pytest.mark.parametrize("image", GENERATOR_IMAGES.values())
def test_what_asks_in_a_pod_is_the_locust_that_is_tested_here(image: str):
    assert image.rpartition(":")[2] == version("locust")
