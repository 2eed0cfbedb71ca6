"""What the GKE stacks of a sweep take together, with a stand-in for Google Cloud."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stacks.files import load_settings
from sweep.fleet import FleetError, LastingError
from sweep.pulumi_fleet import quota
from sweep.pulumi_fleet.quota import room_of
from tests.support.google_stand_in import PROJECT, ZONE, GoogleStandIn, application_default_credentials, serving

STACKS = ("8cpu-16gb", "4cpu-8gb")
REGION = ZONE.rpartition("-")[0]
CPUS = f"quota CPUS in {REGION} of project {PROJECT}"


def vcpus(stack: str) -> int:
    settings = load_settings(stack)
    pools = settings.node_shape(stack), settings.load_shape
    return sum(pool.nodes * pool.vcpus for pool in pools)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[GoogleStandIn]:
    """With room for either stack, but not for both."""
    stand_in = GoogleStandIn()
    stand_in.regional["CPUS"] = (vcpus("8cpu-16gb") + 10.0, 8.0)
    with serving(stand_in) as keys:
        file = application_default_credentials(keys, tmp_path)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        own = quota.load_config
        config = keys | {"gcp:project": PROJECT, "gcp:zone": ZONE}
        monkeypatch.setattr(quota, "load_config", lambda stack: own(stack) | config)
        yield stand_in


def test_two_stacks_that_do_not_fit_together_are_known_before_either_is_created(cloud: GoogleStandIn) -> None:
    room = room_of(STACKS)
    assert room.free[CPUS] == vcpus("8cpu-16gb") + 2
    assert room.lacks("4cpu-8gb", []) == room.lacks("8cpu-16gb", []) == ""
    assert room.lacks("4cpu-8gb", ["8cpu-16gb"]).startswith(CPUS)
    [line] = [line for line in room.too_small(4) if line.startswith(CPUS)]
    needed = vcpus("8cpu-16gb") + vcpus("4cpu-8gb")
    assert line == f"{CPUS}: {needed} needed for 2 stacks at once, {vcpus('8cpu-16gb') + 2} free"
    assert not [line for line in room.too_small(1) if line.startswith(CPUS)]


def test_stacks_that_fit_together_keep_each_other_back_in_nothing(cloud: GoogleStandIn) -> None:
    cloud.regional["CPUS"] = (1000.0, 8.0)
    room = room_of(STACKS)
    assert room.lacks("4cpu-8gb", ["8cpu-16gb"]) == ""
    assert room.too_small(4) == []


def test_a_stack_on_this_machine_and_one_without_preflight_take_no_quota(
    cloud: GoogleStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = quota.load_config
    monkeypatch.setattr(
        quota,
        "load_config",
        lambda stack: own(stack) | ({"shapebench:gke": {"preflight": False}} if stack != "local" else {}),
    )
    assert room_of(["local", *STACKS]).taken_by == {}


def test_where_google_does_not_answer_nothing_is_known(cloud: GoogleStandIn) -> None:
    cloud.project = "another"
    with pytest.raises(FleetError, match=r"40[34]"):
        room_of(STACKS)


def test_a_quota_that_google_does_not_list_is_summed_over_the_stacks_and_keeps_none_back(cloud: GoogleStandIn) -> None:
    cloud.regional["CPUS"] = (1000.0, 0.0)
    del cloud.regional["E2_CPUS"]
    room = room_of(STACKS)
    listed = CPUS.replace("CPUS", "E2_CPUS")
    needed = vcpus("8cpu-16gb") + vcpus("4cpu-8gb")
    assert room.unknown(2) == [f"{listed}: {needed} needed for 2 stacks at once"]
    assert room.unknown(1) == [f"{listed}: {vcpus('8cpu-16gb')} needed for 1 stack"]
    assert room.too_small(2) == []
    assert room.lacks("4cpu-8gb", ["8cpu-16gb"]) == ""


def test_of_a_region_that_does_not_exist_no_quota_is_called_unlisted(cloud: GoogleStandIn) -> None:
    cloud.zones.clear()
    assert not any(f"in {REGION}" in line for line in room_of(STACKS).unknown(2))


def of_machines(machine_type: str, nodes: int) -> dict[str, Any]:
    """The configuration of a stack that has no file."""
    return quota.load_config("8cpu-16gb") | {"shapebench:shape": {"machineType": machine_type, "nodes": nodes}}


@pytest.fixture
def made(cloud: GoogleStandIn) -> dict[str, dict[str, Any]]:
    """With quota for one stack of each machine family at a time."""
    cloud.regional["CPUS"] = (1000.0, 0.0)
    cloud.families = {(REGION, "N4"): 24, (REGION, "C4"): 24}
    return {
        "2xn4-highcpu-8": of_machines("n4-highcpu-8", 2),
        "4xn4-highcpu-4": of_machines("n4-highcpu-4", 4),
        "2xc4-highcpu-8": of_machines("c4-highcpu-8", 2),
    }


def test_stacks_of_one_machine_family_share_its_quota_and_others_do_not(made: dict[str, dict[str, Any]]) -> None:
    room = room_of(made, made)
    assert room.lacks("4xn4-highcpu-4", ["2xn4-highcpu-8"]).startswith(f"quota CPUS_PER_VM_FAMILY of N4 in {REGION}")
    assert room.lacks("4xn4-highcpu-4", ["2xc4-highcpu-8"]) == ""


def test_a_family_without_a_limit_keeps_no_stack_back(cloud: GoogleStandIn, made: dict[str, dict[str, Any]]) -> None:
    cloud.families[REGION, "N4"] = -1
    assert room_of(made, made).lacks("4xn4-highcpu-4", ["2xn4-highcpu-8"]) == ""


def test_a_family_that_the_project_does_not_get_is_said_of_all_its_stacks(
    cloud: GoogleStandIn, made: dict[str, dict[str, Any]]
) -> None:
    cloud.families[REGION, "N4"] = 0
    with pytest.raises(LastingError) as raised:
        room_of(made, made)
    assert str(raised.value).startswith(f"The quota CPUS_PER_VM_FAMILY of N4 in {REGION} of project {PROJECT} is 0, so")
    assert "the machines of 2xn4-highcpu-8 and 4xn4-highcpu-4. Leave these" in str(raised.value)
