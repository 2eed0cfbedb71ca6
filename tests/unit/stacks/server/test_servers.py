"""The names of the servers, and which of them an image holds."""

import pytest

from serving.servers import SERVERS
from stacks.server.servers import ALL_SERVERS, EMBEDDED, server_in, server_title

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("image", "holds"),
    [
        ("tensorflow/serving:2.20.0", ("tensorflow_model_server", "2.20.0")),
        ("registry.example:5000/mine:2.20.0-mkl", ("tensorflow_model_server", "2.20.0-mkl")),
        (f"tensorflow/serving:2.20.0@{DIGEST}", ("tensorflow_model_server", "2.20.0")),
        (f"tensorflow/serving@{DIGEST}", ("tensorflow_model_server", DIGEST)),
        ("shapebench-embedded:0.1.0", ("shapebench-embedded", "0.1.0")),
        ("registry.example:5000/lab/shapebench-embedded-resnet:0.1.0", ("shapebench-embedded", "0.1.0")),
    ],
)
def test_an_image_holds_tf_serving_unless_its_name_says_another_server(image, holds):
    assert server_in(image) == holds


def test_the_servers_that_a_stack_can_name_are_those_that_can_be_started():
    assert {server.facts for server in SERVERS} == set(ALL_SERVERS)


def test_names_and_settings_are_unique():
    for field in ("name", "setting", "title", "image_prefix"):
        assert len({getattr(server, field) for server in ALL_SERVERS}) == len(ALL_SERVERS)


def test_a_report_never_calls_the_embedded_server_tensorflow_serving():
    assert server_title(EMBEDDED.name) == "shapebench's embedded server"
    assert server_title("tensorflow_model_server") == "TensorFlow Serving"
    assert server_title("a server of another version") == "a server of another version"
