"""The stand-ins themselves, with a small program: what the other tests here rest on."""

import os
import signal
import textwrap

import pytest
from kubernetes import client

from tests.engine.gcp_stand_in.memory import Fault
from tests.engine.gke.world import World, contents
from tests.engine.harness import CHECKOUT, Stack, eventually

PROGRAM = """
import base64, json
import pulumi, pulumi_gcp.compute as compute, pulumi_gcp.container as container, pulumi_gcp.storage as storage
import pulumi_kubernetes as kubernetes

config = pulumi.Config()
storage.Bucket("models", location="US", labels={"for": "tests"})
network = compute.Network("net", name="net", auto_create_subnetworks=False)
subnetwork = compute.Subnetwork("sub", name="sub", network=network.id, ip_cidr_range="10.0.0.0/24")
cluster = container.Cluster("cluster", name="cluster", network=network.id, subnetwork=subnetwork.id,
    initial_node_count=1, remove_default_node_pool=True, deletion_protection=False)

def pool(name, after, taints=None):
    return container.NodePool(name, name=name, cluster=cluster.name, node_count=2,
        node_config={"machine_type": "e2-custom-4-8192", "labels": {"pool": name}, "taints": taints or []},
        opts=pulumi.ResourceOptions(depends_on=after))

first = pool("first", [], [{"key": "pool", "value": "first", "effect": "NO_SCHEDULE"}])
second = pool("second", [first])

def kubeconfig(known):
    endpoint, certificate = known
    cluster = {"server": f"https://{endpoint}", "certificate-authority-data": certificate}
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "gke-gcloud-auth-plugin",
                     "args": ["--use_application_default_credentials"],
                     "provideClusterInfo": True, "interactiveMode": "Never"}}
    return json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}], "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]})

provider = kubernetes.Provider("in-cluster", kubeconfig=pulumi.Output.all(
    cluster.endpoint, cluster.master_auth.cluster_ca_certificate).apply(kubeconfig))
options = pulumi.ResourceOptions(provider=provider, depends_on=[first, second])
namespace = kubernetes.core.v1.Namespace("ns", metadata={"name": "small"}, opts=options)
inside = {"namespace": namespace.metadata.name}
kubernetes.core.v1.ConfigMap("settings", metadata=inside, data={"word": config.require("word")}, opts=options)
labels = {"app": "small"}
kubernetes.apps.v1.Deployment("app", metadata=inside, opts=options, spec={
    "replicas": 2, "selector": {"match_labels": labels},
    "template": {"metadata": {"labels": labels}, "spec": {
        "node_selector": {"pool": "first"}, "tolerations": [{"key": "pool", "operator": "Exists"}],
        "containers": [{"name": "app", "image": "example.org/app:1", "resources": {"requests": {"cpu": "2"}}}]}}})
kubernetes.core.v1.Service("app", metadata=inside, spec={"selector": labels, "ports": [{"port": 80}]}, opts=options)
pulumi.export("endpoint", cluster.endpoint)
"""


@pytest.fixture(scope="module")
def small(world: World) -> Stack:
    project = world.home / "program"
    project.mkdir()
    (project / "__main__.py").write_text(textwrap.dedent(PROGRAM))
    options = f"{{toolchain: pip, virtualenv: {CHECKOUT}/.venv}}"
    (project / "Pulumi.yaml").write_text(f"name: small\nruntime: {{name: python, options: {options}}}\n")
    stack = world.stack("small", project)
    stack.providers_config["small:word"] = "one"
    return stack


def test_a_preview_is_complete_and_makes_nothing(small: Stack, world: World):
    shown = small.must("preview")
    assert "12 to create" in shown
    assert world.google() == []


def test_it_comes_up_with_its_pods_on_the_pool_that_they_ask_for(small: Stack, world: World):
    small.must_up()
    assert small.outputs()["endpoint"] == world.control_plane.address
    pods = client.CoreV1Api(world.api).list_namespaced_pod("small").items
    assert len({pod.spec.node_name for pod in pods}) == 2
    assert all(pod.spec.node_name.startswith("gke-first-") for pod in pods)


def test_a_refresh_and_a_preview_find_nothing_changed(small: Stack):
    small.must("refresh", "--yes", "--expect-no-changes")
    small.must("preview", "--expect-no-changes")


def test_what_changes_is_all_that_is_updated(small: Stack, world: World):
    before = len(world.memory.operations())
    small.providers_config["small:word"] = "two"
    # A ConfigMap counts as immutable, as what reads it would not notice.
    assert "1 to replace" in small.must("preview")
    small.must_up()
    assert [line for line in world.memory.operations()[before:] if line["operation"] in {"create", "update"}] == []


def test_what_the_cluster_still_uses_is_not_deleted(small: Stack, world: World):
    refused = small.run("destroy", "--yes", "--skip-preview", "--target", "**net**", "--exclude-protected")
    assert refused.returncode != 0


def test_an_unreachable_api_server_fails_a_destroy_that_a_second_one_completes(small: Stack, world: World):
    world.control_plane.stop_api_server()
    try:
        failed = small.run("destroy", "--yes", "--skip-preview")
    finally:
        world.control_plane.restart_api_server()
    assert failed.returncode != 0
    assert "unreachable" in failed.stdout
    small.must("destroy", "--yes", "--skip-preview")
    assert small.resources() == []
    assert world.google() == []
    eventually(
        lambda: not any(name == "small" or space == "small" for _, space, name in contents(world.api)), "all gone"
    )


def test_what_a_killed_engine_was_making_is_found_by_the_next_one(small: Stack, world: World):
    world.memory.expect(Fault("slow", "Cluster::cluster", seconds=8))
    update = small.start("up", "--yes", "--skip-preview")
    eventually(lambda: any("clusters/cluster" in key for key in world.google()), "the cluster is being made")
    os.kill(update.pid, signal.SIGKILL)
    update.communicate(timeout=60)
    small.run("cancel", "--yes")
    assert "Already exists" in small.up().stdout
