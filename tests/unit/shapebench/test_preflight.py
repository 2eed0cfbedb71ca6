"""`shapebench preflight`: by hand, what the first update asks."""

import pytest
import yaml
from typer.testing import CliRunner

from shapebench.cli import app
from shapebench.commands.setup import preflight
from stacks import files
from tests.support import google_resources
from tests.support.google_stand_in import (
    PROJECT,
    GoogleStandIn,
    application_default_credentials,
    serving,
    write_auth_plugin,
)


@pytest.fixture
def cloud(monkeypatch, tmp_path):
    write_auth_plugin(tmp_path / "gke-gcloud-auth-plugin")
    monkeypatch.setenv("PATH", str(tmp_path))
    cloud = GoogleStandIn()
    with serving(cloud) as keys:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(application_default_credentials(keys, tmp_path)))
        config = files.load_config("8cpu-16gb") | keys
        monkeypatch.setattr(preflight, "load_config", lambda _: config)
        yield cloud


def run(*arguments: str):
    return CliRunner().invoke(app, ["preflight", *arguments])


def test_if_nothing_is_missing_it_exits_with_0_and_prints_the_price(cloud):
    done = run("--stack", "8cpu-16gb", "--project", PROJECT)
    assert done.exit_code == 0
    assert "nothing is missing for stack 8cpu-16gb in project acme, zone us-central1-a" in done.output
    assert "USD an hour" in done.output


def test_a_quota_that_google_does_not_list_is_noted_and_changes_no_exit_code(cloud):
    del cloud.regional["E2_CPUS"]
    done = run("--stack", "8cpu-16gb", "--project", PROJECT)
    assert done.exit_code == 0
    said = " ".join(done.stderr.split())
    assert (
        "quota E2_CPUS in us-central1: 20 needed, but Google's list of quotas lacks it, so it was not checked" in said
    )
    assert said.index("quota E2_CPUS") < said.index("nothing is missing for stack 8cpu-16gb")


def test_missing_things_exit_with_1(cloud):
    cloud.apis.clear()
    cloud.zones.clear()
    done = run("--stack", "8cpu-16gb", "--project", PROJECT)
    assert done.exit_code == 1
    assert "gcloud services enable" in done.output


def test_the_resources_of_an_existing_stack_are_not_needed_twice(cloud):
    """Of its 20 vCPUs none are left, and its accounts are there; a larger load pool would lack 4."""
    cloud.regional["CPUS"] = (20.0, 20.0)
    cloud.resources = google_resources.whole_stack("8cpu-16gb", google_resources.DAY)
    done = run("--stack", "8cpu-16gb", "--project", PROJECT)
    assert done.exit_code == 0, done.output
    assert "stack 8cpu-16gb exists already, so only what it still needs is checked" in done.output
    (cluster,) = (each for path, each in cloud.resources.items() if "/clusters/" in path)
    cluster["nodePools"] = cluster["nodePools"][1:]
    done = run("--stack", "8cpu-16gb", "--project", PROJECT)
    assert done.exit_code == 1
    assert "quota CPUS in us-central1: 4 needed, 0 left (20 of 20 are used)" in done.output


def test_the_cluster_of_another_stack_does_not_count(cloud):
    cloud.regional["CPUS"] = (20.0, 20.0)
    cloud.resources = google_resources.whole_stack("4cpu-8gb", google_resources.DAY)
    done = run("--stack", "8cpu-16gb", "--project", PROJECT)
    assert done.exit_code == 1
    assert "quota CPUS in us-central1: 20 needed, 0 left" in done.output


def test_an_error_of_google_exits_with_1_without_a_traceback(cloud):
    cloud.answers_first = [(200, b"<html>")] * 2
    done = run("--stack", "8cpu-16gb", "--project", PROJECT)
    assert done.exit_code == 1
    assert "Google Cloud could not be checked" in done.output


@pytest.mark.parametrize("stack", ["local", "kubernetes"])
def test_a_stack_on_another_platform_has_nothing_to_check(stack):
    done = run("--stack", stack)
    assert done.exit_code == 1
    assert f"stack {stack} is on the platform {stack}" in done.output


def test_a_secret_in_a_stack_file_is_not_used_as_project(monkeypatch):
    config = yaml.safe_load("{gcp:zone: us-central1-a, gcp:project: {secure: v1abc}}")
    monkeypatch.setattr(preflight, "load_config", lambda _: config)
    for name in ("GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    assert "no project is set" in run("--stack", "8cpu-16gb").output
