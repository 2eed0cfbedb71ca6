"""What this project declares, against the rules: whole stacks, as the recording engine sees them."""

from typing import Any

import pytest
from pulumi.output import Unknown
from pulumi.runtime import rpc

from components.platform_args import PlatformArgs
from components.platforms.kubernetes import KubernetesPlatform
from components.platforms.local import LocalPlatform
from policy.kinds import DECLARED_KINDS
from policy.resource import UNKNOWN, Resource
from policy.rules import RULES
from stacks.files import load_settings
from tests.unit.components.gke.gke_program import GKE_STACKS, record_gke, record_stack, settings_with
from tests.unit.components.recorder import Recording, record


def unknown_marked(value: Any) -> Any:
    """The value as rules see it: what the engine does not know yet is UNKNOWN (`policy/__main__.py`)."""
    if isinstance(value, dict):
        return {key: unknown_marked(nested) for key, nested in value.items()}
    if isinstance(value, list):
        return [unknown_marked(element) for element in value]
    return UNKNOWN if isinstance(value, Unknown) or value == rpc.UNKNOWN else value


def broken(recording: Recording, stack: str) -> list[str]:
    """`rule: message` for each violation."""
    resources = [
        Resource(resource.typ, resource.name, stack, unknown_marked(resource.inputs))
        for resource in recording.resources
    ]
    assert len(resources) > 3
    return [
        f"{rule.name}: {violation}"
        for rule in RULES
        for resource in resources
        for violation in rule.violations(resource)
    ]


@pytest.mark.parametrize("stack", GKE_STACKS)
def test_a_gke_stack_keeps_every_rule(stack: str):
    assert broken(record_stack(stack), stack) == []


@pytest.mark.parametrize("stack", GKE_STACKS)
def test_a_preview_of_a_gke_stack_keeps_every_rule(stack: str):
    assert broken(record_gke(load_settings(stack), stack, preview=True), stack) == []


BATCHING = {"maxBatchSize": 8, "batchTimeoutMicros": 500, "maxEnqueuedBatches": 8, "numBatchThreads": 8}
# What a user may set in a stack file, beside the shapes.
VARIANTS: dict[str, dict[str, Any]] = {
    "grpc": {"serving": {"protocol": "grpc", "interOp": 2}},
    "batching": {"serving": {"protocol": "rest", "interOp": 8, "batching": BATCHING}},
    "cpu-limit": {"serving": {"protocol": "rest", "interOp": 8, "cpuLimit": "4"}},
    "one-node": {"shape": {"machineType": "e2-standard-8", "nodes": 1}},
    "highmem": {"shape": {"machineType": "e2-highmem-8", "nodes": 3}},
    "open-loop": {"load": {"profile": "open"}},
    "capacity": {"load": {"profile": "capacity"}, "objective": {"p99": "500ms", "errors": "0.1%"}},
    "autoscaler": {"load": {"profile": "curve"}, "autoscaler": {"targetPercent": 60}},
    "two-processes": {"load": {"profile": "open", "processes": 2}},
    "three-repeats": {"load": {"profile": "seed", "repeats": 3}},
    "fresh-deployment": {"load": {"profile": "seed", "freshDeployment": True}},
    "random-weights": {"model": {"weights": "random"}},
    "bucket-of-results": {"results": "gs://results-of-acme/shapebench"},
}
GKE_VARIANTS: dict[str, dict[str, Any]] = {
    "binary-authorization": {"binaryAuthorization": True},
    "no-cost-allocation": {"costAllocation": False},
    "managed-prometheus": {"managedPrometheus": True},
    "long-lease": {"expiresAfterH": 72},
    "protected": {"protect": True},
    "no-preflight": {"preflight": False},
}


@pytest.mark.parametrize("variant", [*VARIANTS, *GKE_VARIANTS])
@pytest.mark.parametrize("command", ["preview", "up"])
def test_a_variant_that_a_user_may_set_keeps_every_rule(variant: str, command: str):
    settings = settings_with(GKE_VARIANTS.get(variant), **VARIANTS.get(variant, {}))
    assert broken(record_gke(settings, "nightly", preview=command == "preview"), "nightly") == []


def test_the_list_of_kinds_is_what_the_stacks_register():
    stacks = [*map(record_stack, GKE_STACKS), record_gke(settings_with(**VARIANTS["autoscaler"]), "8cpu-16gb")]
    registered = {resource.typ for stack in stacks for resource in stack.resources}
    # The engine registers the stack itself and the default providers.
    of_the_engine = {"pulumi:pulumi:Stack", "pulumi:providers:gcp", "pulumi:providers:shapebench"}
    assert {kind for kind in registered if not kind.startswith("shapebench:")} | of_the_engine == DECLARED_KINDS


def test_stacks_without_a_cluster_of_their_own_keep_every_rule(tmp_path):
    platform = PlatformArgs("kubernetes", load_settings("kubernetes"), tmp_path)
    assert broken(record(lambda: KubernetesPlatform("k", platform), stack="kubernetes"), "kubernetes") == []
    local = PlatformArgs("local", load_settings("local"), tmp_path)
    assert broken(record(lambda: LocalPlatform("l", local), stack="local"), "local") == []


def test_a_seed_faithful_stack_breaks_one_rule_whose_message_says_that_it_must():
    violations = broken(record_gke(settings_with({"seedFaithful": True})), "8cpu-16gb")
    for violation, container in zip(violations, ("model-access", "tf-serving"), strict=True):
        assert violation.startswith(f"requests-and-limits: Deployment gke-serving-deployment: container {container} ")
        assert "seedFaithful" in violation


def test_a_stack_named_after_another_shape_breaks_a_rule():
    settings = settings_with(shape={"machineType": "e2-custom-8-16384", "nodes": 2})
    (violation,) = broken(record_gke(settings, "8cpu-64gb"), "8cpu-64gb")
    assert violation.startswith("shape-matches-stack: NodePool gke-cluster-serving: ")
