"""A preview needs no login, so anybody who opens a pull request gets one; without a network it ends with the reason."""

import re
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from components.gke.reach import REFUSING_PROXY
from google_cloud.access import PROJECT_VARIABLES
from tests.engine.gke.world import World
from tests.engine.harness import CHECKOUT, Stack
from tools.pulumi_plugins import GCP

# A network of its own, in which there is only the loopback that the engine and its plugins talk over.
WITHOUT_NETWORK = ["unshare", "--map-root-user", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def network_can_be_taken_away() -> bool:
    if not all(map(shutil.which, ("unshare", "ip"))):
        return False
    return subprocess.run([*WITHOUT_NETWORK, "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def offline(world: World) -> Stack:
    """A stack as a new user has it, whose requests go to Google itself and not to the stand-ins."""
    stack = world.stack_of_the_checkout("4cpu-8gb")
    for key in [key for key in stack.providers_config if key.endswith("CustomEndpoint")]:
        del stack.providers_config[key]
    stack.variables |= dict.fromkeys(("HTTPS_PROXY", "https_proxy"), "") | {"GOOGLE_OAUTH_ACCESS_TOKEN": "none"}
    return stack


def preview_without_network(stack: Stack) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*WITHOUT_NETWORK, *stack._command("preview")],
        cwd=stack.project, env=stack.environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.skipif(not network_can_be_taken_away(), reason="this machine gives no process a network of its own")
def test_a_preview_without_a_network_ends_in_seconds_with_the_cost_and_the_reason(world: World, offline: Stack):
    """The real provider would wait for minutes: docs/google-cloud-facts.md, Without a network."""
    began = time.monotonic()
    failed = preview_without_network(offline)
    took_s = time.monotonic() - began
    said = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert took_s < 60
    assert "costs about 0.72 USD an hour" in said
    (line,) = {line.strip() for line in said.splitlines() if line.strip().startswith("error:")}
    assert "openidconnect.googleapis.com does not answer within 5 s, so this machine seems to be offline" in line
    assert "Traceback" not in said
    assert world.memory.operations() == []


@pytest.mark.skipif(not network_can_be_taken_away(), reason="this machine gives no process a network of its own")
def test_a_preview_without_a_network_is_complete_where_a_proxy_refuses_the_providers_question(offline: Stack):
    online = offline.variables
    offline.variables = online | dict([REFUSING_PROXY.split("=", 1)])
    shown = preview_without_network(offline)
    offline.variables = online
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "monthly" in shown.stdout
    assert "Deployment gke-serving-deployment create" in shown.stdout


@pytest.fixture(scope="module")
def without_a_project(world: World) -> Stack:
    """A stack as a new user has it: its file sets a zone only."""
    stack = world.stack_of_the_checkout("8cpu-16gb")
    del stack.providers_config["gcp:project"]
    stack.variables |= dict.fromkeys(PROJECT_VARIABLES, "")
    return stack


@pytest.mark.parametrize("command", [("preview",), ("up", "--yes")], ids=["preview", "up"])
def test_a_stack_without_a_project_fails_with_one_error_before_anything_is_registered(
    world: World, without_a_project: Stack, command: tuple[str, ...]
):
    failed = without_a_project.run(*command)
    shown = re.sub(r"\s+", " ", failed.stdout + failed.stderr)
    assert failed.returncode != 0
    assert "gcp:project is not set, so there is nowhere to create the stack 8cpu-16gb; run `pulumi config set" in shown
    assert "required field is not set" not in shown
    assert "Traceback" not in shown
    assert {resource["type"] for resource in without_a_project.resources()} <= {"pulumi:pulumi:Stack"}
    assert world.google() == []


def test_the_preview_that_needs_no_account_runs_as_the_pages_print_it(without_a_project: Stack):
    pages = ("README.md", "docs/gke-quick-start.md", "docs/policy.md")
    command = r"((?:\w+=\S+ )+)pulumi preview --stack 8cpu-16gb"
    (printed,) = {assignments for page in pages for assignments in re.findall(command, (CHECKOUT / page).read_text())}
    variables = without_a_project.variables | dict(assignment.split("=", 1) for assignment in printed.split())
    shown = replace(without_a_project, variables=variables).must("preview")
    assert "gcp:compute:Network gke-network-vpc create" in shown


@pytest.mark.skipif(not network_can_be_taken_away(), reason="this machine gives no process a network of its own")
def test_a_preview_without_the_gcp_plugin_prints_the_cost_and_what_is_missing(world: World):
    stack = world.stack_of_the_checkout("2cpu-4gb")
    folders = stack.environment["PATH"].split(":")
    stack.variables["PATH"] = ":".join(folder for folder in folders if not Path(folder, "pulumi-resource-gcp").exists())
    failed = preview_without_network(stack)
    said = failed.stdout + failed.stderr
    assert failed.returncode != 0
    assert "costs about 0.74 USD an hour" in said
    assert "pulumi plugin install resource gcp" in said
    assert said.index("USD an hour") < said.index("is missing and cannot be downloaded")
    (line,) = {line.strip() for line in said.splitlines() if line.strip().startswith("error:")}
    assert line.endswith(f"pulumi plugin install resource gcp {GCP.version} --file FILE")
    assert "Traceback" not in said
    assert world.google() == []
