"""The preflight of machine series with a quota by family and a least version of GKE."""

import pytest

from google_cloud.preflight import Requirements, find_problems
from stacks.machines.quota_needs import added, needs
from stacks.machines.shapes import NodeShape, ShapeSettings
from tests.support.google_stand_in import REGION, ZONE

LOAD = NodeShape.of("load", ShapeSettings(machine_type="e2-standard-4", nodes=1))


def pool(machine_type: str, nodes: int) -> NodeShape:
    return NodeShape.of("a", ShapeSettings(machine_type=machine_type, nodes=nodes))


def wanted(machine_type: str = "n4d-highcpu-8", nodes: int = 2) -> Requirements:
    return Requirements("a", ZONE, needs(pool(machine_type, nodes), LOAD), ())


@pytest.fixture
def plentiful(cloud):
    cloud.regional["HDB_TOTAL_GB"] = (500.0, 0.0)
    cloud.families = {(REGION, "N4D"): 24, (REGION, "C4"): 24}
    return cloud


@pytest.mark.usefixtures("plentiful")
def test_enough_of_a_familys_quota_is_no_problem_and_no_note(access):
    notes: list[str] = []
    assert find_problems(wanted(), access, notes.append) == []
    assert notes == []


def test_too_little_is_a_problem_with_the_request_for_this_family(plentiful, access):
    plentiful.families[REGION, "N4D"] = 8
    (problem,) = find_problems(wanted(), access, print)
    assert problem.message == (
        "quota CPUS_PER_VM_FAMILY of N4D in us-central1: 16 needed, and the limit is 8, so Google would refuse a part"
        " of the stack"
    )
    (command,) = problem.commands
    assert "--quota-id=CPUS-PER-VM-FAMILY-per-project-region --dimensions=region=us-central1,vm_family=N4D" in command
    assert command.endswith("--preferred-value=16")


def test_a_limit_of_0_says_that_the_series_is_not_to_be_had(plentiful, access):
    plentiful.families[REGION, "N4D"] = 0
    (problem,) = find_problems(wanted(), access, print)
    assert "is 0, so this project gets no N4D machine there" in problem.message


def test_another_familys_or_regions_limit_is_not_taken_for_it(plentiful, access):
    plentiful.families = {(REGION, "C4"): 0, ("europe-west4", "N4D"): 0, ("", ""): 24}
    assert find_problems(wanted(), access, print) == []


@pytest.mark.parametrize("answer", ["not listed", "the API is off"])
def test_a_limit_that_cannot_be_read_is_a_note_and_no_problem(plentiful, access, answer):
    plentiful.families = {}
    if answer == "the API is off":
        known = plentiful.answer
        plentiful.answer = lambda method, target, body: (
            (403, b'{"error": {"message": "disabled"}}') if "cloudQuotas" in target else known(method, target, body)
        )
    notes: list[str] = []
    assert find_problems(wanted(), access, notes.append) == []
    (note,) = notes
    assert note.startswith(
        "quota CPUS_PER_VM_FAMILY of N4D in us-central1: 16 needed, but Google's list of quotas lacks"
    )


def test_hyperdisk_has_a_quota_of_its_own(plentiful, access):
    plentiful.regional["HDB_TOTAL_GB"] = (30.0, 0.0)
    (problem,) = find_problems(wanted(), access, print)
    assert "quota HDB_TOTAL_GB in us-central1: 40 needed, 30 left" in problem.message


def test_a_series_that_the_channels_gke_lacks_is_a_problem(plentiful, access):
    plentiful.gke_version = "1.34.1-gke.1999999"
    (problem,) = find_problems(wanted(), access, print)
    assert problem.message == (
        "the channel REGULAR has GKE 1.34.1-gke.1999999 in us-central1-a, but N4D needs 1.34.1-gke.2037000 or later, so"
        " GKE would refuse its nodes; choose another machine series or zone"
    )
    assert find_problems(wanted("c4-highcpu-8"), access, print) == []


def test_series_that_every_gke_has_ask_for_no_version(plentiful, access):
    find_problems(Requirements("a", ZONE, needs(pool("e2-highmem-8", 2), LOAD), ()), access, print)
    assert not [request for request in plentiful.requests if "serverConfig" in request or "cloudQuotas" in request]


def test_a_running_familys_machines_count_for_it_alone():
    more = added(needs(pool("n4d-highcpu-8", 3), LOAD), needs(pool("n4d-highcpu-8", 2), LOAD))
    assert {(need.metric, need.vm_family, need.amount) for need in more} >= {("CPUS_PER_VM_FAMILY", "N4D", 8)}
    switched = added(needs(pool("c4-highcpu-8", 2), LOAD), needs(pool("n4d-highcpu-8", 2), LOAD))
    assert [(need.title, need.amount) for need in switched] == [("CPUS_PER_VM_FAMILY of C4", 16)]
