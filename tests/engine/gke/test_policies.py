"""The policy pack under the real engine: every stack passes it, and each of its rules stops a preview."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from policy.resource import Resource
from policy.rules import RULES
from stacks.files import project_defaults, stack_names
from tests.engine.gke.world import World
from tests.engine.harness import CHECKOUT, Stack
from tests.support.policy_fixtures import fixtures
from tools.environment import requirements_are_installed
from tools.pull_request.preview import Change, read_events

PACK = ("--policy-pack", str(CHECKOUT / "policy"))
PASSED = "✅ shapebench@"
# Registers what it is given, as it is.
PROGRAM = """
import json, pathlib, pulumi
for kind, name, inputs in json.loads(pathlib.Path("resources.json").read_text()):
    pulumi.CustomResource(kind, name, inputs)
"""


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    if not requirements_are_installed(CHECKOUT, "policy"):
        pytest.fail("the policy pack's environment is missing or outdated; run `tools/setup --tier policy`")


@pytest.fixture(scope="module")
def stacks(world: World) -> dict[str, Stack]:
    found = {name: world.stack_of_the_checkout(name) for name in stack_names()}
    found["kubernetes"].variables["KUBECONFIG"] = str(world.control_plane.kubeconfig)
    return found


@pytest.mark.parametrize("name", stack_names())
def test_a_preview_of_every_stack_passes_all_rules(stacks: dict[str, Stack], name: str):
    shown = stacks[name].must("preview", *PACK)
    assert PASSED in shown
    assert "can't run policy" not in shown
    assert "[mandatory]" not in shown


def made_project(world: World, name: str, resources: list[tuple[str, str, Any]]) -> Path:
    """A program that registers these resources: type, name and inputs of each."""
    project = world.home / name
    project.mkdir()
    options = f"{{toolchain: pip, virtualenv: {CHECKOUT}/.venv}}"
    (project / "Pulumi.yaml").write_text(f"name: {name}\nruntime: {{name: python, options: {options}}}\n")
    (project / "__main__.py").write_text(PROGRAM)
    (project / "resources.json").write_text(json.dumps(resources))
    return project


def with_resources(deployment: Resource, resources: dict[str, Any]) -> Any:
    """Its inputs, with requests and limits for its container."""
    inputs = copy.deepcopy(deployment.inputs)
    inputs["spec"]["template"]["spec"]["containers"][0]["resources"] = resources
    return inputs


def test_each_rule_stops_a_preview_and_says_who_why_and_what_to_do(world: World):
    broken = {rule.name: fixtures(rule.name, "red")[0] for rule in RULES}
    resources = [(fixture.resource.kind, fixture.resource.name, fixture.resource.inputs) for fixture in broken.values()]
    project = made_project(world, "red", resources)
    # The Kubernetes provider reads a release's chart before rules see the release.
    (project / "chart").mkdir()
    (project / "chart/Chart.yaml").write_text("{apiVersion: v2, name: unseen, version: 1.0.0}\n")
    stack = world.stack(broken["shape-matches-stack"].resource.stack, project)
    failed = stack.run("preview", *PACK)
    said = re.sub(r"\s+", " ", failed.stdout + failed.stderr)
    assert failed.returncode != 0
    for rule, fixture in broken.items():
        violation = re.search(rf"\[mandatory\] {rule} .*?{fixture.resource.name}: .*?(?=\[mandatory\]|$)", said)
        assert violation is not None, f"{rule} said nothing of {fixture.resource.name}: {said}"
        assert fixture.says is not None
        assert fixture.says in violation[0]
    assert world.google() == []


def test_a_container_needs_requests_and_a_memory_limit_and_may_have_a_cpu_limit(world: World):
    memory, cpu = {"memory": "2Gi"}, {"cpu": "900m"}
    cases = {
        "without-a-cpu-limit": {"requests": cpu | memory, "limits": memory},
        "with-a-cpu-limit": {"requests": cpu | memory, "limits": {"cpu": "1500m"} | memory},
        "without-requests": {"limits": memory},
        "without-a-memory-limit": {"requests": cpu | memory, "limits": {"cpu": "1500m"}},
    }
    base = fixtures("requests-and-limits", "red")[0].resource
    project = made_project(
        world, "pods", [(base.kind, name, with_resources(base, requirements)) for name, requirements in cases.items()]
    )
    failed = world.stack("of-pods", project).run("preview", *PACK)
    said = re.sub(r"\s+", " ", failed.stdout + failed.stderr)
    assert failed.returncode != 0
    missing = dict(re.findall(r"Deployment ([a-z-]+): container server sets no ([a-z., ]+), so", said))
    assert missing == {"without-requests": "requests.cpu, requests.memory", "without-a-memory-limit": "limits.memory"}


def test_an_update_passes_too_when_nothing_is_unknown_any_more(stacks: dict[str, Stack]):
    assert PASSED in stacks["8cpu-16gb"].must("up", "--yes", "--skip-preview", *PACK)


def test_a_pull_request_hears_of_changes_cost_and_violations(stacks: dict[str, Stack]):
    stack = stacks["4cpu-8gb"]
    stack.config["gke"] = project_defaults()["gke"] | {"seedFaithful": True}
    stack.variables["PULUMI_ENABLE_STREAMING_JSON_PREVIEW"] = "true"
    done = stack.run("preview", "--json", *PACK)
    preview = read_events(stack.name, done.stdout.splitlines(), done.returncode)
    assert preview.failed
    assert Change(op="create", kind="Cluster", name="gke-cluster-control-plane") in preview.changes
    assert preview.cost is not None
    assert preview.cost["serving"]["nodesOnly24h"] == 11.15
    assert any("requests-and-limits: " in problem and "seedFaithful" in problem for problem in preview.problems)
