"""The stack files that are checked in: the shapes of the published experiment, and those without one of their own."""

import pytest
import yaml

from stacks import files
from stacks.explain import SettingsError
from stacks.files import PROJECT_FILE, STACKS_DIR, load_settings, load_stack_file, stack_names, with_defaults
from stacks.settings import Settings

SHAPES = {
    "2cpu-4gb": ("e2-custom-2-4096", 2, 4.0, 8),
    "4cpu-8gb": ("e2-custom-4-8192", 4, 8.0, 4),
    "8cpu-16gb": ("e2-custom-8-16384", 8, 16.0, 2),
    "8cpu-64gb": ("e2-highmem-8", 8, 64.0, 2),
}


def test_there_is_a_file_for_each_shape_and_for_this_machine():
    assert {*SHAPES, "kubernetes", "local"} <= set(stack_names())


@pytest.mark.parametrize("stack", SHAPES)
def test_a_gke_stack_is_its_node_shape(stack):
    shape = load_settings(stack).node_shape(stack)
    assert (shape.machine_type, shape.vcpus, shape.memory_gb, shape.nodes) == SHAPES[stack]


def test_every_shape_has_the_same_vcpus_in_all():
    shapes = [load_settings(stack).node_shape(stack) for stack in SHAPES]
    assert {shape.vcpus * shape.nodes for shape in shapes} == {16}


def test_stacks_of_a_cluster_search_the_capacity_for_one_objective():
    loads = [load_settings(stack).load for stack in (*SHAPES, "kubernetes")]
    assert {load.mode for load in loads} == {"capacity"}
    assert {(load.quantile, load.latency_ms, load.error_ratio) for load in loads} == {(0.99, 500, 0.001)}
    assert load_settings("local").load.mode == "closed"


def test_pulumi_yaml_declares_exactly_the_settings_there_are():
    declared = yaml.safe_load(PROJECT_FILE.read_text())["config"]
    # A field whose key has a dot is inside a section. Pulumi requires what is declared without a default, and these
    # have none: `sweep` is set by a sweep alone, and most stacks have no `server` and no `autoscaler`.
    settings = {(field.alias or name).split(".")[0] for name, field in Settings.model_fields.items()}
    assert set(declared) == settings - {"sweep", "server", "autoscaler"}


def test_a_stack_without_a_file_is_named_beside_those_that_have_one():
    with pytest.raises(SettingsError, match=r"no stack 'local2'.*8cpu-16gb"):
        load_settings("local2")


def test_no_stack_file_holds_a_secret():
    for path in STACKS_DIR.glob("Pulumi.*.yaml"):
        assert "secure:" not in path.read_text()


def test_a_stack_that_sets_one_key_of_a_section_keeps_the_defaults_of_the_others():
    values = with_defaults({"local": {"restPort": 8511}})
    assert values["local"] == {"server": "auto", "restPort": 8511, "grpcPort": 8500, "startTimeoutS": 180}
    assert values["model"] == {"weights": "auto"}


def test_an_empty_stack_file_lacks_its_settings(tmp_path, monkeypatch):
    """`pulumi stack init` of a new name makes one."""
    (tmp_path / "Pulumi.new.yaml").touch()
    monkeypatch.setattr(files, "STACKS_DIR", tmp_path)
    with pytest.raises(SettingsError, match=r"shapebench:platform"):
        load_settings("new")


@pytest.mark.parametrize("stack", stack_names())
def test_what_a_stacks_file_leaves_out_has_a_default(stack):
    """Pulumi's command line refuses a stack without a key that the project declares and gives no default."""
    declared = yaml.safe_load(PROJECT_FILE.read_text())["config"]
    needed = {key for key, value in declared.items() if "default" not in value}
    assert {f"shapebench:{key}" for key in needed} <= load_stack_file(stack)["config"].keys()
