"""What this project declares, against the rules: whole stacks, as the recording engine sees them."""

from pathlib import Path

import pytest

from components.platform_args import PlatformArgs
from components.platforms.kubernetes import KubernetesPlatform
from components.platforms.local import LocalPlatform
from policy.resource import Resource
from policy.rules import RULES
from stacks.files import load_settings
from tests.unit.components.gke.gke_program import SHAPES, record_gke, record_stack, settings_with
from tests.unit.components.recorder import Recording, record


def broken(recording: Recording, stack: str) -> list[str]:
    """`rule: message` for each violation."""
    resources = [Resource(each.typ, each.name, stack, each.inputs) for each in recording.resources]
    assert len(resources) > 3
    return [f"{rule.name}: {each}" for rule in RULES for resource in resources for each in rule.violations(resource)]


@pytest.mark.parametrize("stack", SHAPES)
def test_a_gke_stack_keeps_every_rule(stack: str):
    assert broken(record_stack(stack), stack) == []


def test_stacks_without_a_cluster_of_their_own_keep_every_rule():
    settings, checkout = load_settings("kubernetes"), Path("/checkout")
    platform = PlatformArgs("kubernetes", settings, checkout)
    assert broken(record(lambda: KubernetesPlatform("k", platform), stack="kubernetes"), "kubernetes") == []
    local = PlatformArgs("local", load_settings("local"), checkout)
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
