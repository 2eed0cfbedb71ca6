"""The preflight prints the price, checks Google Cloud, and stops an update that would fail half-way."""

import pytest

from provider.resource import Operation, ResourceError
from provider.resources.preflight import Preflight
from stacks.machines.quota_needs import Need
from tests.support.google_stand_in import (
    PROJECT,
    PROJECT_NUMBER,
    ZONE,
    GoogleStandIn,
    application_default_credentials,
    serving,
    write_auth_plugin,
)

COSTS = "until `pulumi destroy` this stack costs about 0.62 USD an hour"
TOKEN = "very-secret"


@pytest.fixture
def cloud():
    return GoogleStandIn()


@pytest.fixture
def inputs(cloud, monkeypatch, tmp_path):
    write_auth_plugin(tmp_path / "gke-gcloud-auth-plugin")
    monkeypatch.setenv("PATH", str(tmp_path))
    with serving(cloud) as keys:
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(application_default_credentials(keys, tmp_path)))
        google = keys | {"gcp:project": PROJECT}
        yield {"stack": "8cpu-16gb", "zone": ZONE, "project": PROJECT, "google": google, "needs": needs(CPUS=20),
               "accounts": ["shapebench-8cpu-16gb-nodes"], "costs": COSTS, "ask": True}  # fmt: skip


@pytest.fixture
def log():
    return []


@pytest.fixture
def operation(log):
    return Operation(info=log.append, status=lambda _: None)


def needs(**amounts: int) -> list[dict[str, object]]:
    return [vars(Need(metric, "region", amount)) for metric, amount in amounts.items()]


def test_a_stack_with_enough_of_everything_passes_after_the_price_is_printed(cloud, inputs, operation, log):
    assert Preflight().create(inputs, operation)["needs"] == inputs["needs"]
    assert log == [COSTS]
    assert cloud.requests


def test_a_quota_that_google_does_not_list_is_told_and_the_update_goes_on(inputs, operation, log):
    Preflight().create(inputs | {"needs": needs(CPUS=20, CPUS_PER_VM_FAMILY=16)}, operation)
    assert log[0] == COSTS
    assert log[1].startswith("quota CPUS_PER_VM_FAMILY in us-central1: 16 needed, but Google's list of quotas lacks it")
    assert len(log) == 2


def test_the_state_holds_no_credentials(inputs, operation):
    state = Preflight().create(inputs | {"google": inputs["google"] | {"gcp:other": TOKEN}}, operation)
    assert TOKEN not in repr(state)


def test_all_that_is_missing_is_in_one_error(cloud, inputs, operation):
    cloud.regional["CPUS"] = (8.0, 0.0)
    cloud.apis.discard("iam.googleapis.com")
    with pytest.raises(ResourceError, match="2 requirements of stack 8cpu-16gb are not met") as caught:
        Preflight().create(inputs, operation)
    assert "shapebench:gke.preflight false --stack 8cpu-16gb" in str(caught.value)
    assert "ya29" not in str(caught.value)


@pytest.mark.parametrize("ask", [True, False])
def test_credentials_that_the_auth_plugin_does_not_read_stop_the_update_even_where_the_check_is_skipped(
    cloud, inputs, operation, ask
):
    google = inputs["google"] | {"gcp:accessToken": TOKEN}
    with pytest.raises(ResourceError, match="gcp:accessToken or GOOGLE_OAUTH_ACCESS_TOKEN is set, but") as caught:
        Preflight().create(inputs | {"google": google, "ask": ask}, operation)
    assert "gcloud auth application-default login" in str(caught.value)
    assert "shapebench:gke.preflight" not in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_an_error_of_google_stops_the_update_and_names_the_setting_that_skips_the_check(cloud, inputs, operation):
    cloud.answers_first = [(200, b"<html>")]
    with pytest.raises(
        ResourceError, match=r"could not be completed, .* shapebench:gke.preflight false --stack 8cpu-16gb"
    ):
        Preflight().create(inputs, operation)


def test_a_skipped_check_prints_the_price_and_sends_no_request(cloud, inputs, operation, log):
    Preflight().create(inputs | {"ask": False}, operation)
    assert log == [COSTS]
    assert cloud.requests == []


@pytest.mark.parametrize("ask", [True, False])
def test_the_number_of_the_project_is_known_where_a_bucket_of_others_is_granted(cloud, inputs, operation, ask):
    in_place = inputs | {"modelBucket": "of-the-team", "ask": ask}
    state = Preflight().create(in_place, operation)
    assert state["projectNumber"] == PROJECT_NUMBER
    assert Preflight().changed(state, in_place) == []
    assert Preflight().changed(state, inputs) == ["modelBucket"]
    assert "projectNumber" not in Preflight().create(inputs, operation)
    cloud.project = "another"
    with pytest.raises(ResourceError, match=r"resourceManager answered 403|project acme does not exist"):
        Preflight().create(in_place, operation)


def test_a_preview_sends_no_request(cloud, inputs):
    Preflight().preview(inputs)
    assert cloud.requests == []


@pytest.mark.parametrize(
    "change", [{"needs": needs(CPUS=24)}, {"project": "other"}, {"zone": "us-central1-b"}], ids=str
)
def test_another_shape_or_place_is_checked_again(inputs, operation, change):
    state = Preflight().create(inputs, operation)
    assert Preflight().changed(state, inputs | change) == [*change]


@pytest.mark.parametrize("change", [{"costs": "more"}, {"google": {}}, {"ask": False}, {"accounts": []}], ids=str)
def test_no_other_change_is_checked_again(inputs, operation, change):
    state = Preflight().create(inputs, operation)
    assert Preflight().changed(state, inputs | change) == []


def test_a_larger_shape_needs_only_the_difference(cloud, inputs, operation):
    state = Preflight().create(inputs, operation)
    cloud.resources[
        f"iam/projects/{PROJECT}/serviceAccounts/shapebench-8cpu-16gb-nodes@{PROJECT}.iam.gserviceaccount.com"
    ] = {}
    cloud.regional["CPUS"] = (24.0, 20.0)
    Preflight().update(state, inputs | {"needs": needs(CPUS=24)}, operation)
    with pytest.raises(ResourceError, match="quota CPUS in us-central1: 5 needed, 4 left"):
        Preflight().update(state, inputs | {"needs": needs(CPUS=25)}, operation)


def test_another_zone_needs_the_whole_shape(cloud, inputs, operation):
    state = Preflight().create(inputs, operation)
    cloud.zones["us-central1-b"] = "UP"
    cloud.regional["CPUS"] = (24.0, 20.0)
    with pytest.raises(ResourceError, match="20 needed, 4 left"):
        Preflight().update(state, inputs | {"zone": "us-central1-b"}, operation)
