"""`shapebench janitor`: its output, its exit codes, and that it removes nothing without --yes."""

import json

import pytest
from typer.testing import CliRunner

from google_cloud import rest
from shapebench.cli import app
from tests.support import google_resources
from tests.support.google_resources import DAY, labels
from tests.support.google_stand_in import PROJECT, REGION, GoogleStandIn, serving


@pytest.fixture
def cloud(monkeypatch):
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "a-token")
    monkeypatch.setenv("GOOGLE_PROJECT", PROJECT)
    cloud = GoogleStandIn(polls=0)
    with serving(cloud) as keys:
        here = {service: keys[f"gcp:{service}CustomEndpoint"] for service in rest.ENDPOINTS}
        monkeypatch.setattr(rest, "ENDPOINTS", here)
        monkeypatch.setattr("google_cloud.removal._POLL_INTERVAL_S", 0)
        yield cloud


def run(*arguments: str):
    return CliRunner().invoke(app, ["janitor", *arguments])


def listed(*arguments: str) -> dict[str, dict]:
    return {load["name"]: load for load in json.loads(run("--format", "json", *arguments).stdout)}


def test_no_leftovers_exit_with_0(cloud):
    cloud.resources = google_resources.whole_stack("8cpu-16gb", DAY)
    done = run()
    assert done.exit_code == 0
    assert "found no leftovers that match the options in project acme." in done.stderr


def test_leftovers_are_listed_with_their_price_and_exit_with_3(cloud):
    cloud.resources = google_resources.whole_stack("8cpu-16gb", -DAY)
    done = run()
    assert done.exit_code == 3
    assert "gke-cluster-control-plane" in done.stdout
    assert "expired" in done.stdout
    assert "USD/day" in done.stderr
    assert "shapebench janitor --project acme --yes" in done.stderr
    assert cloud.deleted == []
    assert not any(request.startswith("DELETE") for request in cloud.requests)


def test_the_command_that_removes_what_is_listed_has_the_options_of_the_list(cloud):
    cloud.resources = google_resources.whole_stack("8cpu-16gb", -DAY)
    said = run("--stack", "8cpu-16gb", "--region", REGION).stderr
    assert f"shapebench janitor --project {PROJECT} --stack 8cpu-16gb --region {REGION} --yes" in said


def test_with_yes_leftovers_are_removed_and_it_exits_with_0(cloud):
    cloud.resources = google_resources.whole_stack("8cpu-16gb", -DAY)
    done = run("--yes")
    assert done.exit_code == 0, done.output
    assert cloud.resources == {}
    assert "removed" in done.stdout


def test_leases_are_judged_by_googles_clock(cloud):
    cloud.resources = google_resources.whole_stack("8cpu-16gb", DAY)
    cloud.ahead = 2 * DAY
    assert run().exit_code == 3, "by Google's clock it has expired"
    cloud.resources = google_resources.whole_stack("8cpu-16gb", -DAY)
    cloud.ahead = -2 * DAY
    assert run("--yes").exit_code == 0, "by Google's clock it has not"
    assert cloud.deleted == []


def test_without_googles_time_no_lease_is_judged(cloud):
    cloud.resources = google_resources.whole_stack("8cpu-16gb", -DAY)
    cloud.ahead = None
    done = run("--yes")
    assert done.exit_code == 1
    assert "so nothing was removed: none of Google's answers has a Date header" in done.stderr
    assert cloud.deleted == []


def test_a_failed_removal_is_named_and_exits_with_4(cloud):
    cloud.resources = google_resources.disk("d", labels())
    cloud.operation_error = {"errors": [{"message": "it is stuck"}]}
    done = run("--yes")
    assert done.exit_code == 4
    assert "not removed: disk d: it is stuck" in done.stderr


UNANSWERED = [(200, b"{}"), (200, b'{"items": {}, "unreachables": ["zones/us-east1-b"]}')]


def test_where_a_zone_does_not_answer_no_leftovers_exit_with_5(cloud):
    cloud.answers_first = list(UNANSWERED)
    done = run()
    assert done.exit_code == 5
    assert "no answer from us-east1-b, so what is there is not listed; try again" in done.stderr
    cloud.answers_first = list(UNANSWERED)
    assert run("--region", "us-east1").exit_code == 5
    cloud.answers_first = list(UNANSWERED)
    other = run("--region", "us-central1")
    assert (other.exit_code, "us-east1-b" in other.stderr) == (0, False), "it was not asked for"


def test_where_a_zone_does_not_answer_what_is_found_elsewhere_is_listed_and_removed(cloud):
    cloud.resources = dict(google_resources.bucket("left", labels()))
    cloud.answers_first = list(UNANSWERED)
    assert run().exit_code == 3
    cloud.answers_first = list(UNANSWERED)
    assert (run("--yes").exit_code, cloud.resources) == (5, {})


def test_only_the_chosen_stack_or_region_is_listed_and_cleaned(cloud):
    other = google_resources.whole_stack("2cpu-4gb", -DAY)
    cloud.resources = google_resources.whole_stack("8cpu-16gb", -DAY) | other
    assert {each["stack"] for each in listed("--stack", "2cpu-4gb").values()} == {"2cpu-4gb"}
    # A region's own things, and its zones'; not the global ones.
    assert {each["kind"] for each in listed("--region", REGION).values()} == {
        "cluster", "disk", "bucket", "router", "subnetwork"}  # fmt: skip
    assert listed("--region", "europe-west4") == {}
    assert run("--stack", "8cpu-16gb", "--yes").exit_code == 0
    assert cloud.resources == other


def test_json_has_every_field_of_a_leftover(cloud):
    cloud.resources = google_resources.disk("d", labels())
    found = listed()["d"]
    assert found["stack"] == "8cpu-16gb"
    assert found["commit"] == "876bcdc"
    assert found["usd_a_day"] == pytest.approx(20 * 0.1 / 730 * 24)
    assert (found["why"], found["removed"]) == ("expired", False)
    assert listed("--yes")["d"]["removed"] is True


def test_an_error_of_google_exits_with_1_and_removes_nothing(cloud):
    cloud.resources = google_resources.disk("d", labels())
    cloud.answers_first = [(200, b"{}"), (403, None)]
    done = run("--yes")
    assert done.exit_code == 1
    assert "could not be listed, so nothing was removed" in done.stderr
    assert cloud.deleted == []


def test_without_a_project_it_exits_with_1(cloud, monkeypatch):
    monkeypatch.delenv("GOOGLE_PROJECT")
    for name in ("GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    assert run().exit_code == 1
    assert "give --project" in run().stderr


def test_with_a_state_only_what_an_update_was_creating_is_removed(cloud, tmp_path):
    orphan = "gke-cluster-control-plane-1a2b3c4"
    # Its other things may have expired; they are not what was asked for.
    whole = google_resources.whole_stack("8cpu-16gb", DAY) | google_resources.disk("d", labels("8cpu-16gb", -30 * DAY))
    cloud.resources = whole | google_resources.cluster(orphan, labels(left=DAY))
    urn = "urn:pulumi:8cpu-16gb::shapebench::gcp:container/cluster:Cluster::gke-cluster-control-plane"
    resource = {"urn": urn, "type": "gcp:container/cluster:Cluster", "inputs": {"name": orphan}}
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"deployment": {"pending_operations": [{"type": "creating", "resource": resource}]}}))
    shown = run("--stack", "8cpu-16gb", "--state", str(state))
    assert f"shapebench janitor --project {PROJECT} --stack 8cpu-16gb --state {state} --yes" in shown.stderr
    assert (shown.exit_code, orphan in shown.stdout, "interrupted" in shown.stdout) == (3, True, True)
    done = run("--stack", "8cpu-16gb", "--state", str(state), "--yes")
    assert done.exit_code == 0, done.output
    assert cloud.resources == whole


def test_a_state_without_pending_creations_calls_nothing_and_exits_with_0(cloud, monkeypatch, tmp_path):
    monkeypatch.delenv("GOOGLE_PROJECT")
    cloud.resources = google_resources.whole_stack("8cpu-16gb", -DAY)
    state = tmp_path / "state.json"
    state.write_text('{"deployment": {"resources": []}}')
    done = run("--stack", "8cpu-16gb", "--state", str(state), "--yes")
    assert (done.exit_code, cloud.requests) == (0, [])
    assert "no update of stack 8cpu-16gb was killed while it created something" in done.stderr


def test_a_state_needs_the_name_of_its_stack(cloud, tmp_path):
    state = tmp_path / "state.json"
    state.write_text("{}")
    done = run("--state", str(state))
    assert done.exit_code == 1
    assert "give --stack as well" in done.stderr
