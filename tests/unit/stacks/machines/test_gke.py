"""`shapebench:gke`: what would open, mislead or never end is refused, with the fix."""

from typing import Any

import pytest
import yaml

from stacks.explain import SettingsError
from stacks.files import PROJECT_FILE, load_settings, project_defaults, stack_names, with_defaults
from stacks.machines.gke import GkeSettings
from stacks.settings import parse_settings

STACKS = ("2cpu-4gb", "4cpu-8gb", "8cpu-16gb", "8cpu-64gb")
GOOD: dict[str, Any] = {
    "platform": "gke",
    "shape": {"machineType": "e2-custom-8-16384", "nodes": 2},
    "serving": {"protocol": "rest", "interOp": 8},
    "load": {"profile": "seed"},
}


def gke(**changes: Any) -> GkeSettings:
    return parse_settings(with_defaults(GOOD | {"gke": changes})).gke


def complaint(**changes: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        gke(**changes)
    return str(caught.value)


def test_pulumi_yaml_gives_a_default_for_every_key_that_has_to_be_there():
    required = {field.alias for field in GkeSettings.model_fields.values() if field.is_required()}
    assert set(project_defaults()["gke"]) == required


def test_a_stack_that_sets_one_key_keeps_the_defaults_of_the_others():
    assert gke(protect=True) == gke().model_copy(update={"protect": True})


def test_defaults_of_sections_that_a_stack_leaves_out_stay():
    assert with_defaults({"local": {"restPort": 9000}})["local"] == project_defaults()["local"] | {"restPort": 9000}
    assert with_defaults({"rerun": "again"})["local"] == project_defaults()["local"]


@pytest.mark.parametrize("stack", STACKS)
def test_the_stacks_of_the_experiment_are_made_alike(stack):
    assert load_settings(stack).gke == gke()


@pytest.mark.parametrize("stack", [stack for stack in stack_names() if load_settings(stack).platform == "gke"])
def test_a_gke_stack_names_a_zone_of_the_region_that_it_is_priced_in(stack):
    file = PROJECT_FILE.parent / "stacks" / f"Pulumi.{stack}.yaml"
    zone = yaml.safe_load(file.read_text())["config"]["gcp:zone"]
    assert zone.rpartition("-")[0] == load_settings(stack).region


def test_more_processes_of_the_generator_than_a_load_node_has_cores_are_refused():
    asked = with_defaults(GOOD | {"load": {"profile": "seed", "processes": 5}})
    with pytest.raises(SettingsError, match=r"load\.processes is 5, .*e2-standard-4.* 4 vCPUs.*give 4 at most"):
        parse_settings(asked)
    larger = asked | {"gke": asked["gke"] | {"loadMachineType": "e2-standard-8"}}
    assert parse_settings(larger).processes == 5


def test_nodes_are_replaced_for_another_rerun_and_only_where_asked_for():
    asked = with_defaults(GOOD | {"gke": {"freshNodes": True}})
    one, same, other = (parse_settings(asked | {"rerun": rerun}).machine_token for rerun in ("a", "a", "b"))
    assert one == same != other
    assert parse_settings(with_defaults(GOOD | {"rerun": "a"})).machine_token is None


WRONG = [
    ({"freshNodes": "sometimes"}, "gke.freshNodes", "Give true or false"),
    ({"servingImage": "tensorflow/serving:latest"}, "gke.servingImage", "tensorflow/serving:2.20.0"),
    ({"servingImage": "tensorflow/serving"}, "gke.servingImage", "a digest"),
    ({"loadMachineType": "e2-medium"}, "gke.loadMachineType", "stacks/machines/machine_series.toml"),
    (
        {"loadNodes": 2},
        "gke.loadNodes is no longer a setting: each pod of the load generator has a node, so load.pods says how many",
        "remove it: pulumi config rm --path shapebench:gke.loadNodes",
    ),
    (
        {"authorizedNetworks": ["203.0.113.0/24"]},
        "gke.authorizedNetworks is no longer a setting: the control plane has only a DNS-based endpoint",
        "remove it: pulumi config rm --path shapebench:gke.authorizedNetworks",
    ),
    ({"expiresAfterH": 0}, "gke.expiresAfterH is 0", "Give 1 to 336"),
    ({"expiresAfterH": 400}, "gke.expiresAfterH is 400", "Give 1 to 336"),
    ({"protect": "yes"}, "gke.protect is 'yes'", "from `pulumi destroy` and from replacement"),
    ({"protekt": True}, "gke.protekt is not a setting", "did you mean protect?"),
]


@pytest.mark.parametrize(("changes", "wrong", "fix"), WRONG, ids=str)
def test_a_wrong_value_names_key_and_fix(changes, wrong, fix):
    said = complaint(**changes)
    assert f"shapebench:{wrong}" in said
    assert fix in said


def test_each_pod_of_the_generator_has_a_load_node():
    settings = parse_settings(with_defaults(GOOD | {"load": {"profile": "open", "pods": 3}}))
    assert (settings.load_shape.nodes, settings.load_shape.machine_type) == (3, "e2-standard-4")
