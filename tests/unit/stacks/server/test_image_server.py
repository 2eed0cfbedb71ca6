"""`shapebench:server`: what is taken, and what is refused with the reason and the fix."""

import pytest

from stacks.explain import SettingsError
from stacks.files import project_defaults
from stacks.settings import Settings, parse_settings

MLSERVER = {
    "image": "seldonio/mlserver:1.7.1",
    "args": ["mlserver", "start", "{model}", '{"threads": {intraOp}}'],
    "protocol": "v2",
    "ports": {"rest": 8080, "grpc": 8081},
}
STACK = {
    "platform": "kubernetes",
    "shape": {"machineType": "e2-custom-2-4096", "nodes": 2},
    "serving": {"protocol": "v2-rest", "interOp": 2},
    "load": {"profile": "smoke"},
}


def parse(server: dict | None = None, serving: dict | None = None, **changes: object) -> Settings:
    values = project_defaults() | STACK | changes
    values["serving"] = STACK["serving"] | (serving or {})
    return parse_settings(values | {"server": MLSERVER | (server or {})})


def test_any_image_is_named_by_itself_and_has_the_arguments_that_it_is_given():
    settings = parse()
    assert settings.serving_image == "seldonio/mlserver:1.7.1"
    assert settings.deployed_server == ("seldonio/mlserver", "1.7.1")
    assert settings.server.arguments("scores", 4, 2) == ["mlserver", "start", "{model}", '{"threads": 4}']
    digest = f"sha256:{'0' * 64}"
    assert parse({"image": f"lab.example:5000/a/b@{digest}"}).deployed_server == ("lab.example:5000/a/b", digest)


def test_ready_is_the_protocols_own_path_unless_it_is_given():
    assert parse().server.ready_path("scores") == "/v2/models/scores/ready"
    assert parse({"ready": "/ping/{name}"}).server.ready_path("scores") == "/ping/scores"
    tf_serving = parse({"protocol": "tf-serving"}, {"protocol": "rest"}).server
    assert tf_serving.ready_path("scores") == "/v1/models/scores/metadata"


@pytest.mark.parametrize(
    ("server", "serving", "said"),
    [
        ({"image": "seldonio/mlserver"}, {}, "has no exact version"),
        ({"args": ["start"]}, {}, "shapebench:server: args has no {model}, so the server could serve another model"),
        ({"args": ["{model}", "{threads}"]}, {}, "args has {threads}, which stands for nothing; write one of {int"),
        ({"args": "start {model}"}, {}, "shapebench:server.args is 'start {model}', which is not a list"),
        ({"protocol": "v3"}, {}, "shapebench:server.protocol is 'v3', which is none of 'v2' or 'tf-serving'"),
        ({"ports": {"rest": 80}}, {}, "shapebench:server.ports.rest is 80, which is below 1024"),
        ({"ports": {"rest": 8080, "grpc": 8080}}, {}, "shapebench:server.ports: rest and grpc are the same"),
        ({"ports": {}}, {}, "shapebench:server.ports.rest is missing"),
        ({"ready": "ping"}, {}, "shapebench:server.ready is 'ping'"),
        ({"command": "x"}, {}, "shapebench:server.command is not a setting"),
        ({}, {"protocol": "rest"}, "serving.protocol is rest, which the server does not speak"),
        ({"protocol": "tf-serving"}, {}, "set rest or grpc"),
        (
            {"protocol": "tf-serving", "ports": {"rest": 8080}},
            {"protocol": "grpc"},
            "set rest, or give server.ports.grpc",
        ),
        ({"ports": {"rest": 8080}}, {"protocol": "v2-grpc"}, "set v2-rest or v2-binary, or give server.ports.grpc"),
        ({}, {"oneDnn": True}, "serving.oneDnn is set, but nothing in server.args uses it"),
        ({"args": ["{model}"]}, {"intraOp": 2}, "remove it, or put {intraOp} into server.args"),
    ],
)
def test_what_is_wrong_is_one_sentence_with_the_key_and_the_fix(server, serving, said):
    with pytest.raises(SettingsError) as caught:
        parse(server, serving)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_on_this_machine_and_as_published_there_is_no_image():
    one_node = {"machineType": "e2-custom-2-4096", "nodes": 1}
    with pytest.raises(SettingsError, match="runs a process of this machine, so it would change nothing"):
        parse(platform="local", shape=one_node)
    faithful = project_defaults()["kubernetes"] | {"seedFaithful": True}
    with pytest.raises(SettingsError, match="deploys the published experiment's server"):
        parse(kubernetes=faithful)


def test_a_server_of_this_project_in_a_cluster_is_asked_what_it_speaks():
    def parse_image(image: str, protocol: str) -> Settings:
        defaults = project_defaults()
        cluster = {"kubernetes": defaults["kubernetes"] | {"servingImage": image}}
        return parse_settings(defaults | STACK | cluster | {"serving": {"protocol": protocol, "interOp": 2}})

    for protocol in ("v2-rest", "image"):
        assert parse_image("shapebench-embedded:0.1.0", protocol).serving.protocol == protocol
    with pytest.raises(SettingsError, match="is v2-rest, which TensorFlow Serving does not speak; set rest or grpc"):
        parse_image("tensorflow/serving:2.20.0", "v2-rest")
    with pytest.raises(
        SettingsError, match=r"is image, .* or shapebench:kubernetes\.servingImage or shapebench:server"
    ):
        parse_image("tensorflow/serving:2.20.0", "image")
