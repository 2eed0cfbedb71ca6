"""What a killed update was creating is read from the state of its stack, and of no other."""

import json

import pytest

from google_cloud.interrupted_update import interrupted_names
from stacks.explain import SettingsError

STACK = "8cpu-16gb"


def export(*pending: tuple[str, str, dict[str, str]], stack: str = STACK) -> str:
    operations = [
        {
            "type": operation,
            "resource": {"urn": f"urn:pulumi:{stack}::shapebench::{typ}::n", "type": typ, "inputs": inputs},
        }
        for operation, typ, inputs in pending
    ]
    return json.dumps({"version": 3, "deployment": {"pending_operations": operations}})


CLUSTER = "gcp:container/cluster:Cluster"
ACCOUNT = "gcp:serviceaccount/account:Account"


def test_interrupted_creations_in_google_cloud_are_named_as_google_names_them():
    state = export(
        ("creating", CLUSTER, {"name": "gke-cluster-control-plane-1a2b3c4"}),
        ("creating", ACCOUNT, {"accountId": "shapebench-nodes-0a1b2c3", "description": "of the stack"}),
    )
    assert interrupted_names(state, STACK) == {
        "gke-cluster-control-plane-1a2b3c4": None,
        "shapebench-nodes-0a1b2c3": "of the stack",
    }


def test_updates_deletions_and_other_providers_are_not_interrupted_creations():
    state = export(
        ("updating", CLUSTER, {"name": "gke-cluster-control-plane-1a2b3c4"}),
        ("deleting", CLUSTER, {"name": "gke-cluster-control-plane-1a2b3c5"}),
        ("creating", "kubernetes:core/v1:Namespace", {"name": "shapebench"}),
        ("creating", "gcp:projects/iAMMember:IAMMember", {"role": "roles/x"}),
    )
    assert interrupted_names(state, STACK) == {}


def test_a_state_without_pending_operations_has_no_interrupted_creations():
    assert interrupted_names(json.dumps({"version": 3, "deployment": {"manifest": {}}}), STACK) == {}


def test_the_state_of_another_stack_is_refused():
    state = export(("creating", CLUSTER, {"name": "gke-cluster-control-plane-1a2b3c4"}), stack="2cpu-4gb")
    with pytest.raises(SettingsError, match="the state of 2cpu-4gb, so it says nothing about 8cpu-16gb"):
        interrupted_names(state, STACK)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"deployment": null}', '{"deployment": {"pending_operations": [1]}}']
)
def test_a_text_that_is_not_a_state_is_an_error_with_the_command_that_prints_one(text):
    with pytest.raises(SettingsError, match="pulumi stack export --stack 8cpu-16gb"):
        interrupted_names(text, STACK)
