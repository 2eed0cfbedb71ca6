"""Destroying a stack while Google Cloud still creates a part of it; the stack and the answers are scripted."""

import json

import pytest

from sweep.fleet import FleetError
from sweep.pulumi_fleet import teardown

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
