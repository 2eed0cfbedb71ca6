"""Destroying a stack while Google Cloud still creates a part of it; the stack and the answers are scripted."""

import json

import pytest

from stacks.files import project_defaults
from stacks.settings import parse_settings
from sweep.fleet import FleetError
from sweep.pulumi_fleet import google, teardown
from tests.support.kubernetes.scripted_api import kubeconfig, refusal, scripted_api

IN_CLUSTER = project_defaults() | {
    "platform": "kubernetes",
    "shape": {"machineType": "e2-custom-2-4096", "nodes": 1},
    "serving": {"protocol": "rest", "interOp": 2},
    "load": {"profile": "smoke"},
    "kubernetes": {"context": "x", "servingImage": "tensorflow/serving:2.20.0", "modelUri": "/models/{digest}/resnet"},
}
CREATING = ["cluster s-1: still being created"]


class Stack:
    """Notes what is done. Its cluster is a pending creation of a killed update until it is forgotten."""

    name = "2cpu-4gb"

    def __init__(self, *, refuses_to_destroy: bool = False) -> None:
        self.done: list[str] = []
        self._refuses = refuses_to_destroy

    def state(self) -> str:
        cluster, network = ({"urn": name, "type": f"gcp:{name}"} for name in ("cluster", "network"))
        pending = [] if "forget" in self.done else [{"type": "creating", "resource": cluster}]
        return json.dumps({"deployment": {"resources": [network], "pending_operations": pending}})

    def unlock(self) -> None:
        self.done.append("unlock")

    def forget_interrupted(self) -> None:
        self.done.append("forget")

    def destroy(self) -> None:
        self.done.append("destroy")
        if self._refuses and self.done.count("destroy") == 1:
            raise FleetError("the network is used by the cluster")

    def say(self, text: str) -> None:
        self.done.append(text)


@pytest.fixture
def destroyed(monkeypatch):
    """Destroy a stack where Google Cloud needs so many looks until nothing of it is left."""

    def destroy(stack: Stack, looks: int) -> Stack:
        answers = iter([CREATING] * looks)
        monkeypatch.setattr(teardown, "remove_interrupted", lambda *_: next(answers, []))
        monkeypatch.setattr(teardown.time, "sleep", lambda s: stack.done.append(f"sleep {s:.0f} s"))
        teardown.destroy(stack, {})
        return stack

    return destroy


def test_it_waits_until_the_cluster_can_be_removed_and_only_then_forgets_it(destroyed):
    stack = destroyed(Stack(), looks=2)
    waiting = ["destroy", "waiting for Google Cloud: cluster s-1: still being created", "sleep 60 s"]
    assert stack.done == ["unlock", *waiting, *waiting, "forget", "destroy"]


def test_what_the_cluster_still_uses_is_destroyed_after_it(destroyed):
    stack = destroyed(Stack(refuses_to_destroy=True), looks=1)
    assert stack.done[1:3] == ["destroy", "the network is used by the cluster"]
    assert stack.done[-2:] == ["forget", "destroy"]


def test_an_error_that_no_wait_mends_is_raised_at_once(destroyed):
    with pytest.raises(FleetError, match="the network is used"):
        destroyed(Stack(refuses_to_destroy=True), looks=0)


def test_after_fourteen_minutes_it_gives_up_with_what_is_left_and_why(destroyed):
    stack = Stack()
    with pytest.raises(FleetError, match="2cpu-4gb is not destroyed: cluster s-1: still being created"):
        destroyed(stack, looks=1000)
    assert stack.done.count("sleep 60 s") == 14
    assert "forget" not in stack.done


@pytest.fixture
def left_in_cluster(tmp_path, monkeypatch):
    """What is left of the stack in a cluster whose API gives this answer."""

    def left(answer) -> list[str]:
        with scripted_api() as server:
            server.answers = [answer]
            file = tmp_path / "kubeconfig"
            file.write_text(kubeconfig(f"http://127.0.0.1:{server.server_port}"))
            monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file))
            return teardown.left_of("2cpu-4gb", parse_settings(IN_CLUSTER), {}, print)

    return left


def test_a_namespace_that_is_left_in_the_cluster_is_named_with_the_command_that_removes_it(left_in_cluster):
    namespaces = {"items": [{"metadata": {"name": "shapebench-2cpu-4gb"}}]}
    assert left_in_cluster((200, namespaces)) == [
        "namespace shapebench-2cpu-4gb: kubectl delete namespace shapebench-2cpu-4gb"
    ]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(refusal(403, "namespaces is forbidden"), "namespaces is forbidden", id="refused"),
        pytest.param(None, "Connection aborted", id="hung up"),
    ],
)
def test_a_cluster_that_does_not_list_its_namespaces_is_an_error_with_the_command_that_does(
    left_in_cluster, answer, why
):
    command = "kubectl get namespaces --selector shapebench-stack=2cpu-4gb --context x"
    with pytest.raises(FleetError, match=f"namespaces [(].*{why}.*whether something of 2cpu-4gb.*`{command}` lists it"):
        left_in_cluster(answer)


def test_without_credentials_the_error_says_how_to_list_what_is_left_once_there_are_some():
    config = {"gcp:project": "acme", "gcp:credentials": "neither a key nor a file"}
    with pytest.raises(FleetError, match=r"could not be listed: .*shapebench janitor --stack s --project acme` lists"):
        google.left_in_google_cloud("s", config, print)


def test_without_a_project_the_error_says_how_to_set_it(monkeypatch):
    for variable in ("GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(FleetError, match="set it: pulumi config set gcp:project PROJECT --stack s"):
        google.left_in_google_cloud("s", {}, print)
