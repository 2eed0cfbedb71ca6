"""A GKE stack with each server in turn, on the real provider's types: what its pods run, and that its run is its own.

The pods' containers are played; this project's own server, which speaks every protocol, answers the requests.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import tensorflow as tf
from kubernetes import client

from bench.servers.processes import embedded
from tests.engine.gke.world import NAMESPACE, REST_URL, World
from tests.engine.harness import Stack

# Flags: https://github.com/openvinotoolkit/model_server docs/parameters.md.
OPENVINO_MODEL_SERVER = {
    "image": "openvino/model_server:2026.1",
    "args": ["--model_name={name}", "--model_path={model}", "--rest_port=8000", "--port=9000", "--nireq={interOp}"],
    "protocol": "v2",
    "ports": {"rest": 8000, "grpc": 9000},
}
# Flags: https://github.com/triton-inference-server/server docs/user_guide/model_repository.md.
TRITON = {
    "image": "nvcr.io/nvidia/tritonserver:25.10-py3",
    "args": ["tritonserver", "--model-repository={model}", "--backend-config=onnxruntime,intra={intraOp}"],
    "protocol": "v2",
    "ports": {"rest": 8000, "grpc": 8001},
    "ready": "/v2/health/ready",
}
SERVERS: dict[str, dict[str, Any]] = {
    "tensorflow/serving": {},
    "shapebench-onnxruntime": {"gke": {"servingImage": "docker.example/shapebench-onnxruntime:0.1.0"}},
    "shapebench-openvino": {"gke": {"servingImage": "docker.example/shapebench-openvino:0.1.0"}},
    "openvino/model_server": {"server": OPENVINO_MODEL_SERVER, "serving": {"protocol": "v2-binary"}},
    "nvcr.io/nvidia/tritonserver": {"server": TRITON, "serving": {"protocol": "v2-rest"}},
}


@pytest.fixture(scope="module")
def stack(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("models") / "half"
    half = tf.function(lambda numbers: {"halves": numbers / 2}, [tf.TensorSpec((None, 3), tf.float32, "numbers")])
    tf.saved_model.save(tf.Module(), str(folder / "1"), signatures={"serving_default": half})
    with embedded(folder, 1) as ports:
        world.pods.names[REST_URL] = f"http://127.0.0.1:{ports['rest']}"
        stack = world.stack_of_the_checkout("8cpu-16gb")
        stack.config["model"] = {"path": str(folder)}
        yield stack


@pytest.mark.parametrize("name", SERVERS)
def test_a_stack_is_previewed_and_measured_with_the_server(name: str, stack: Stack, world: World):
    usual, changes = dict(stack.config), SERVERS[name]
    stack.config |= {
        key: usual.get(key, {}) | value if isinstance(usual.get(key, {}), dict) else value
        for key, value in changes.items()
    }
    assert "apps/v1:Deployment" in stack.must("preview", "--diff")
    before = len(world.memory.operations())
    stack.must_up()
    stack.config = usual

    container = servers(world)[0].spec.containers[0]
    assert name in container.image
    # TensorFlow Serving and other images read the bucket; this project's servers get a copy in each pod.
    folders = {argument.partition("=")[2] for argument in container.args if "model_base_path" in argument}
    assert folders <= ({"/models/copied"} if "shapebench" in name else {stack.outputs()["modelUri"]})
    copied = [
        sorted(path.name for path in folder.rglob("*") if path.is_file())
        for folder in (world.memory.folder / "pods").glob("*/volumes/model/copied")
    ]
    assert len(copied) == (2 * list(SERVERS).index(name) if "shapebench" in name else len(copied))
    assert all("saved_model.pb" in files for files in copied)
    if server := changes.get("server"):
        assert {port.container_port for port in container.ports} == set(server["ports"].values())
        assert not [argument for argument in container.args if "{" in argument]
        assert container.startup_probe.http_get.port in {server["ports"]["rest"], "rest"}
    run = stack.runs()[-1]
    assert run.validity.reasons == ()
    assert name.removeprefix("tensorflow/serving") in run.serving.server
    made = [line for line in world.memory.operations()[before:] if line["operation"] in {"update", "delete"}]
    assert made == [], "another server changes nothing in Google Cloud"


def servers(world: World) -> list[client.V1Pod]:
    return client.CoreV1Api(world.api).list_namespaced_pod(NAMESPACE).items
