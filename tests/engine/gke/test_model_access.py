"""A server whose pod cannot read its model yet: it is waited for, and where access does not come, `up` says why.

The wait is the init container's own code, against a metadata server and a bucket that refuse.
"""

import time

import pytest
from kubernetes import client

from tests.engine.gke.world import NAMESPACE, World
from tests.engine.harness import Stack, eventually, update_without_access

SERVER = "app.kubernetes.io/component=model-server"


@pytest.fixture(scope="module")
def stack(world: World) -> Stack:
    return world.stack_of_the_checkout("8cpu-16gb")


def ready(world: World) -> bool:
    pods = client.CoreV1Api(world.api).list_namespaced_pod(NAMESPACE, label_selector=SERVER).items
    conditions = [{condition.type: condition.status for condition in pod.status.conditions or []} for pod in pods]
    return len(pods) == 2 and all(condition.get("Ready") == "True" for condition in conditions)


def test_without_access_an_update_fails_in_four_minutes_with_the_reason(stack: Stack, world: World):
    world.bucket.permits = lambda *_: False
    failed = update_without_access(stack)
    assert "the bucket's grant to the pod's service account is missing or not yet in force (403" in failed.stdout
    assert "run `pulumi up` again: a change of IAM takes typically 2 minutes, potentially 7 or longer" in failed.stdout
    assert "ya29" not in failed.stdout + failed.stderr
    assert "Traceback" not in failed.stdout
    assert not ready(world)
    assert stack.runs() == []


def test_the_next_update_goes_on_once_the_access_is_there(stack: Stack, world: World):
    clusters = [key for key in world.google() if "cluster:Cluster" in key]
    world.bucket.permits = world.grants
    stack.must_up()
    assert [key for key in world.google() if "cluster:Cluster" in key] == clusters
    assert len(stack.runs()) == 1


def test_a_pod_that_is_refused_for_sixty_seconds_serves_soon_after(stack: Stack, world: World):
    started: list[float] = []

    def since_the_first_request() -> float:
        started[:] = started or [time.monotonic()]
        return time.monotonic() - started[0]

    # Seconds until the metadata server answers are those that users of GKE report; IAM takes longer.
    world.bucket.gives_tokens = lambda: since_the_first_request() > 10
    world.bucket.permits = lambda bucket, permission: (
        since_the_first_request() > 60 and world.grants(bucket, permission)
    )
    # Another variant has other pods.
    stack.config["serving"] |= {"interOp": 2}
    update = stack.start("up", "--yes", "--skip-preview")
    eventually(lambda: started, "a pod asks for its token", within_s=120)
    eventually(lambda: since_the_first_request() > 59, "the refusal is almost over", within_s=70)
    assert not ready(world)
    eventually(lambda: ready(world), "both servers are ready", within_s=60)
    late_s = since_the_first_request() - 60
    print(f"both servers were ready {late_s:.1f} s after the access came")
    assert late_s <= 30
    said, _ = update.communicate(timeout=180)
    assert update.returncode == 0, said
    assert [run.serving.inter_op for run in stack.runs()] == [8, 2]


def test_a_destroy_leaves_nothing(stack: Stack, world: World):
    stack.must("destroy", "--yes", "--skip-preview")
    assert world.google() == []
