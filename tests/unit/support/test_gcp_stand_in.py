"""The stand-in for Google Cloud: its answers are documented, and it compares as the provider does."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.engine.gcp_stand_in.answers import Answer, LeftOut, Place, Source, as_read
from tests.engine.gcp_stand_in.cloud import Cloud, changed_paths
from tests.engine.gcp_stand_in.difference import different_paths, refreshed
from tests.engine.gcp_stand_in.kinds import KINDS
from tests.engine.gcp_stand_in.memory import Memory
from tests.support.sdk import has_property, may_be_absent
from tests.unit.components.gke.gke_program import record_gke, settings_with
from tests.unit.components.recorder import PROJECT, Registration

PAGE = Path(__file__).parents[3] / "docs/stand-in-answers.md"
CLUSTER, POOL = "gcp:container/cluster:Cluster", "gcp:container/nodePool:NodePool"


def resource_class(token: str) -> type:
    _, module, name = token.split(":")
    file = re.sub("(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    return getattr(importlib.import_module(f"pulumi_gcp.{module.partition('/')[0]}.{file}"), name)


def rows(token: str) -> list[list[str]]:
    """The cells of a kind's table, without its head."""
    section = PAGE.read_text().partition(f"### {token}\n")[2].partition("\n#")[0]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in section.splitlines() if "| `" in line]


def test_every_kind_has_its_table_and_no_other_has_one():
    assert re.findall(r"^### (gcp:.*)$", PAGE.read_text(), re.MULTILINE) == list(KINDS)


@pytest.mark.parametrize("token", KINDS)
def test_every_answer_has_its_line_with_source_and_sureness(token: str):
    listed = {(field.strip("` |"), left_out, source.strip(" |")) for field, _, left_out, source in rows(token)}
    assert listed == {
        (answer.path, str(answer.left_out), f"{answer.source}, {answer.source.sure}") for answer in KINDS[token].answers
    }


@pytest.mark.parametrize("token", KINDS)
def test_a_value_that_depends_on_nothing_is_listed_as_it_is(token: str):
    listed = {field.strip("` |"): value for field, value, *_ in rows(token)}
    for answer in KINDS[token].answers:
        if answer.value is not None and not callable(answer.value):
            assert listed[answer.path] == f"`{json.dumps(answer.value)}`"


def test_every_source_is_described():
    for source in Source:
        assert f"\n| {source} | " in PAGE.read_text()


@pytest.mark.parametrize("token", KINDS)
def test_every_answered_and_every_fixed_field_is_in_the_providers_schema(token: str):
    paths = {answer.path for answer in KINDS[token].answers} | KINDS[token].fixed
    assert {path for path in paths if not has_property(resource_class(token), path)} == set()


@pytest.mark.parametrize("token", KINDS)
def test_no_field_is_answered_twice(token: str):
    paths = [answer.path for answer in KINDS[token].answers]
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("token", KINDS)
def test_a_field_is_kept_if_the_providers_schema_computes_it(token: str):
    # Of fields inside a block the SDK does not tell. Others come in place of a declared value.
    answers = [answer for answer in KINDS[token].answers if "." not in answer.path and not answer.in_place]
    computed = {answer.path for answer in answers if not may_be_absent(resource_class(token), answer.path)}
    assert {answer.path for answer in answers if answer.left_out is LeftOut.KEPT} == computed


ONE_ANSWER = (Answer("block.kept", 1, Source.PROVIDER),)


@pytest.mark.parametrize(
    ("state", "inputs", "expected"),
    [
        ({"block": {"kept": 1}}, {"block": {}}, []),
        ({"block": {"other": 1}}, {"block": {}}, ["block.other"]),
        ({"block": {"other": False}}, {"block": {}}, []),
        ({"block": {"kept": 1}}, {"block": {"kept": 2}}, ["block.kept"]),
        ({"labels": {"a": "b", "c": "d"}}, {"labels": {"a": "b"}}, ["labels.c"]),
        ({"list": [1, 2]}, {"list": [1]}, ["list"]),
        ({"list": [{"enabled": False}]}, {"list": [{}]}, []),
        ({"id": "x", "project": "p"}, {}, []),
        ({}, {"added": True}, ["added"]),
    ],
)
def test_what_is_read_is_compared_with_what_is_declared(
    state: dict[str, Any], inputs: dict[str, Any], expected: list[str]
):
    assert different_paths(ONE_ANSWER, state, inputs, ignored=()) == expected


ROUTER, GRANT = "gcp:compute/router:Router", "gcp:storage/bucketIAMMember:BucketIAMMember"
LINK = "https://www.googleapis.com/compute/v1/projects/p/global/networks"
PRINCIPAL = "principal://iam.googleapis.com/projects/1/subject/ns/Space/sa/Name"


@pytest.mark.parametrize(
    ("token", "state", "inputs", "expected"),
    [
        (ROUTER, {"network": f"{LINK}/n"}, {"network": "projects/p/global/networks/n"}, []),
        (ROUTER, {"network": f"{LINK}/n"}, {"network": f"{LINK}/n"}, []),
        (ROUTER, {"network": f"{LINK}/n"}, {"network": "projects/p/global/networks/m"}, ["network"]),
        (GRANT, {"bucket": "b/models", "member": PRINCIPAL}, {"bucket": "models", "member": PRINCIPAL}, []),
        (GRANT, {"member": PRINCIPAL}, {"member": PRINCIPAL.lower()}, ["member"]),
        (GRANT, {"member": "serviceAccount:a@b"}, {"member": "serviceAccount:A@b"}, []),
    ],
)
def test_links_and_names_are_compared_as_the_provider_compares_them(
    token: str, state: dict[str, Any], inputs: dict[str, Any], expected: list[str]
):
    needed = dict.fromkeys(KINDS[token].required, "same")
    assert (
        different_paths(KINDS[token].answers, as_read(KINDS[token].answers, needed) | state, needed | inputs, ())
        == expected
    )


def test_an_ignored_path_covers_what_is_below_it_and_nothing_beside_it():
    state = {"block": {"one": {"deep": 1}, "onerous": 1}}
    assert different_paths((), state, {"block": {"one": {}}}, ignored=["block.one"]) == ["block.onerous"]


def test_a_refresh_changes_only_inputs_that_were_declared():
    old = {"block": {"declared": 1, "gone": 1}, "list": [{"name": "a"}]}
    state = {"block": {"declared": 2, "computed": 3}, "list": [{"name": "b", "computed": 1}], "computed": 4}
    assert refreshed(old, state) == {"block": {"declared": 2}, "list": [{"name": "b"}]}


# ForceNew in google-beta/services/container of terraform-provider-google-beta 7.45.0.
@pytest.mark.parametrize(
    ("token", "state", "inputs", "replaced"),
    [
        (CLUSTER, {"dataplaneOptimizationMode": "X"}, {}, ["dataplaneOptimizationMode"]),
        (CLUSTER, {"privateClusterConfig": {"enablePrivateNodes": True}}, {"privateClusterConfig": {}}, []),
        (CLUSTER, {}, {"privateClusterConfig": {"masterIpv4CidrBlock": "a"}}, ["privateClusterConfig"]),
        (POOL, {"nodeConfig": {"machineType": "a"}}, {"nodeConfig": {"machineType": "b"}}, []),
        (POOL, {"nodeConfig": {"serviceAccount": "a"}}, {"nodeConfig": {"serviceAccount": "b"}}, ["nodeConfig"]),
    ],
)
def test_what_cannot_change_in_place_is_replaced(
    token: str, state: dict[str, Any], inputs: dict[str, Any], replaced: list[str]
):
    assert changed_paths(token, state, inputs, ignored=())[1] == replaced


def made(cloud: Cloud, each: Registration, model_file: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The state of a registered resource once it is made and read again, and its inputs."""
    assets = {"source": {"path": str(model_file)}} if "source" in each.inputs else {}
    # The recorder gives names that end so.
    inputs = cloud.check(each.typ, each.name, json.loads(json.dumps(each.inputs, default=vars)) | assets, {}, "1a2b3c4")
    identity, _ = cloud.create(each.typ, each.urn, inputs)
    state, _ = cloud.read(each.typ, each.urn, identity, inputs) or ({}, {})
    return state, inputs


OPTIONS = ("binaryAuthorization", "costAllocation", "managedPrometheus")


@pytest.mark.parametrize("options", [dict.fromkeys(OPTIONS, True), dict.fromkeys(OPTIONS, False)], ids=["on", "off"])
def test_what_a_stack_declares_differs_in_nothing_once_it_is_made(
    tmp_path: Path, monkeypatch, options: dict[str, bool]
):
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr("time.time", iter(range(10**9, 2 * 10**9)).__next__)
    (tmp_path / "model").write_text("weights")
    cloud = Cloud(Memory(tmp_path / "google"), Place(PROJECT, "us-central1", "us-central1-a"))
    ours = [resource for resource in record_gke(settings_with(options)).resources if resource.typ.startswith("gcp:")]
    differences = {}
    for each in ours:
        state, inputs = made(cloud, each, tmp_path / "model")
        differences[each.name] = changed_paths(each.typ, state, inputs, each.ignore_changes)
    assert set(map(repr, differences.values())) == {"([], [])"}, differences
