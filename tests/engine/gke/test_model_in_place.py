"""A stack whose model is in a bucket of others: servers read it there, as it was when it was copied, or not at all.

The bucket is in an object-store server, which Google's own client finds by a variable, and the init containers instead
of Cloud Storage. It checks no grants: those are compared with what the stack has made.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from kubernetes import client

from serving.export.exporter import tree_digest
from tests.engine.gke.world import NAMESPACE, PROJECT, PROJECT_NUMBER, World
from tests.engine.harness import Stack, eventually
from tests.support.object_store.serve import BUCKET, ObjectStore, object_store

URI = f"gs://{BUCKET}/models/cats"


def save(folder: Path, answer: float) -> None:
    """A model that takes and answers what the server of these tests does."""
    module = tf.Module()
    module.answer = tf.Variable(tf.fill([1000], answer))
    image = tf.TensorSpec((None, 224, 224, 3), tf.float32, "image_input")
    signature = tf.function(
        lambda image_input: {"resnet50": image_input[:, :1, 0, 0] + module.answer}, input_signature=[image]
    )
    tf.saved_model.save(module, str(folder), signatures={"serving_default": signature})


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as store:
        yield store


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, store: ObjectStore) -> Path:
    """The folder whose files are in the bucket, as version 3 of a model."""
    folder = tmp_path_factory.mktemp("models") / "3"
    save(folder, 0.25)
    store.put_model(folder)
    return folder


@pytest.fixture(scope="module")
def stack(world: World, store: ObjectStore, model: Path) -> Stack:
    world.pods.names["https://storage.googleapis.com"] = store.url
    stack = world.stack_of_the_checkout("8cpu-16gb")
    stack.variables["CLOUD_STORAGE_EMULATOR_ENDPOINT"] = store.url
    stack.config["model"] = {"path": URI, "name": "resnet"}
    return stack


def servers(world: World) -> list[client.V1Pod]:
    label = "app.kubernetes.io/component=model-server"
    pods: list[client.V1Pod] = client.CoreV1Api(world.api).list_namespaced_pod(NAMESPACE, label_selector=label).items
    return pods


def in_storage(world: World) -> list[dict[str, Any]]:
    with world.memory.resources() as resources:
        return [resource for resource in resources.values() if resource["type"].startswith("gcp:storage/")]


def test_a_preview_shows_a_grant_and_no_bucket(stack: Stack, world: World):
    shown = stack.must("preview")
    assert "gcp:storage:BucketIAMMember" in shown
    assert "gcp:storage:BucketObject" not in shown
    assert world.google() == []


def test_the_update_measures_what_servers_read_from_there(stack: Stack, world: World, model: Path):
    stack.must_up()
    (run,) = stack.runs()
    assert run.validity.reasons == ()
    assert (run.serving.model.digest, run.serving.model.weights) == (tree_digest(model, "1/"), "own")
    assert [item.hourly for item in run.cost.line_items if item.name == "model bucket"] == [0]
    assert stack.outputs()["modelUri"] == URI
    for pod in servers(world):
        assert f"--model_base_path={URI}" in pod.spec.containers[0].args
        assert pod.status.conditions[-1].status == "True"


def test_only_the_servers_of_this_stack_may_read_the_bucket(world: World):
    (grant,) = in_storage(world)
    (account,) = {pod.spec.service_account_name for pod in servers(world)}
    pools = f"projects/{PROJECT_NUMBER}/locations/global/workloadIdentityPools/{PROJECT}.svc.id.goog"
    assert (grant["inputs"]["bucket"], grant["inputs"]["role"]) == (BUCKET, "roles/storage.objectViewer")
    assert grant["inputs"]["member"] == f"principal://iam.googleapis.com/{pools}/subject/ns/{NAMESPACE}/sa/{account}"


def test_the_same_model_is_not_measured_again(stack: Stack):
    stack.must("preview", "--refresh", "--expect-no-changes")


def test_a_server_that_starts_on_another_model_is_refused(stack: Stack, world: World, store: ObjectStore, model: Path):
    save(model, 0.75)
    store.put_model(model)
    before = {pod.metadata.name for pod in servers(world)}
    for name in before:
        client.CoreV1Api(world.api).delete_namespaced_pod(name, NAMESPACE)

    def refusals() -> list[str]:
        waits = [pod.status.init_container_statuses for pod in servers(world) if pod.metadata.name not in before]
        return [
            statuses[0].last_state.terminated.message
            for statuses in waits
            if statuses and statuses[0].last_state.terminated
        ]

    eventually(refusals, "a server is refused")
    assert refusals()[0].startswith(f"the model in {URI} is not the one that `pulumi up` copied and hashed")
    assert len(stack.runs()) == 1


def test_the_next_update_measures_the_new_model(stack: Stack, model: Path):
    stack.must_up()
    before, run = stack.runs()
    assert run.serving.model.digest == tree_digest(model, "1/") != before.serving.model.digest


def test_a_destroy_takes_the_grant_back_and_leaves_the_model(stack: Stack, world: World, store: ObjectStore):
    stack.must("destroy", "--yes", "--skip-preview")
    assert world.google() == []
    assert "models/cats/3/saved_model.pb" in store.objects()
