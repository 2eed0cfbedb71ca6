"""Machines as an axis of a sweep: which stacks it makes of machine types, and which types it refuses."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from shapebench.commands.prices.shapes import print_shapes
from stacks import files
from stacks.explain import SettingsError
from stacks.files import load_config, load_settings, settings_in
from stacks.settings import Settings
from sweep.asked import read_settings
from sweep.machines import machine_types, write_made
from sweep.settings import SweepSettings

N4 = "n4-highcpu-{2,4,8}"
NAMES = ["8xn4-highcpu-2", "4xn4-highcpu-4", "2xn4-highcpu-8"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of stack files, with one of the checkout's."""
    name = "Pulumi.2cpu-4gb.yaml"
    (tmp_path / name).write_text(Path(files.STACKS_DIR, name).read_text())
    monkeypatch.setattr(files, "STACKS_DIR", tmp_path)
    return tmp_path


def asked(machines: object = N4, total_vcpus: int = 16, file: Path | None = None, **options: Any) -> SweepSettings:
    return read_settings(file, {"machines": machines, "total_vcpus": total_vcpus} | options)


def made(*machines: str, **options: Any) -> dict[str, Settings]:
    return {stack: settings_in(config) for stack, config in asked(list(machines), **options).made.items()}


def error(machines: object = N4, total_vcpus: int = 16, **options: Any) -> str:
    with pytest.raises(SettingsError) as raised:
        asked(machines, total_vcpus, **options)
    return str(raised.value)


def write(stack: str, **changes: object) -> None:
    """The file of a GKE stack like 2cpu-4gb, with other values of some keys."""
    config = load_config("2cpu-4gb") | {key.replace("__", ":"): value for key, value in changes.items()}
    files.stack_file(stack).write_text(yaml.safe_dump({"config": config}))


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("n4-highcpu-2", ["n4-highcpu-2"]),
        ("n4-highcpu-{2,4,8}", ["n4-highcpu-2", "n4-highcpu-4", "n4-highcpu-8"]),
        ("{n4,c4}-highcpu-{4,8}", ["n4-highcpu-4", "n4-highcpu-8", "c4-highcpu-4", "c4-highcpu-8"]),
        ("n4{,d}-highcpu-8", ["n4-highcpu-8", "n4d-highcpu-8"]),
        ("n4-highcpu-{2, 4},t2d-standard-4 , n4-highcpu-2", ["n4-highcpu-2", "n4-highcpu-4", "t2d-standard-4"]),
        ("{n4-highcpu-2,c3-{highcpu,standard}-4}", ["n4-highcpu-2", "c3-highcpu-4", "c3-standard-4"]),
    ],
)
def test_braces_and_commas_are_those_of_a_shell(text: str, types: list[str]) -> None:
    found = machine_types(text)
    assert isinstance(found, tuple)
    assert sorted(found) == sorted(types)
    assert machine_types(types) == tuple(types), "as a shell passes what it has expanded"


def test_each_machine_type_gets_a_stack_with_the_nodes_that_have_the_total() -> None:
    found = asked()
    assert list(found.made) == [candidate.label for candidate in found.candidates] == NAMES
    shapes = {stack: settings_in(config).node_shape(stack) for stack, config in found.made.items()}
    assert [shape.nodes * shape.vcpus for shape in shapes.values()] == [16, 16, 16]
    assert {shape.name for shape in shapes.values()} == set(NAMES)
    assert not found.on_one_machine


def test_a_stack_is_called_as_the_list_of_shapes_calls_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_shapes("16", None, "us-central1", 1, as_json=True)
    listed = capsys.readouterr().out
    assert [name for name in NAMES if f'"name": "{name}"' not in listed] == []


def test_other_axes_are_combined_with_the_machines() -> None:
    found = asked(inter_op=[2, 4], objectives=[{"p99": "400ms"}]).candidates
    assert len(found) == 6
    assert found[0].label == "8xn4-highcpu-2 · interop2"
    (one,) = asked("n4-highcpu-8", batching=[32]).candidates
    assert one.serving.batching
    assert one.serving.batching.num_batch_threads == 8, "the vCPUs of its node"


def test_a_sweep_file_has_the_same_keys(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text('machines: [n4-highcpu-8, "n4d-highcpu-{4,8}"]\ntotalVcpus: 16\nstacks: 2cpu-4gb\n')
    assert list(read_settings(file, {}).made) == ["2xn4-highcpu-8", "4xn4d-highcpu-4", "2xn4d-highcpu-8"]
    file.write_text("machines: n4-highcpu-{2,4,8}\ntotalVcpus: 16\n")
    assert list(read_settings(file, {}).made) == NAMES
    file.write_text("machines: n4-highcpu-3\ntotalVcpus: 16\n")
    with pytest.raises(SettingsError, match=r"^sweep.yaml: machines: 'n4-highcpu-3' is no machine type of N4"):
        read_settings(file, {})


def test_the_stack_that_is_given_lends_its_settings_but_not_its_shape() -> None:
    shape = {"machineType": "n2-highcpu-8", "nodes": 2, "minCpuPlatform": "Intel Ice Lake"}
    serving = {"protocol": "grpc", "interOp": 3}
    write("mine", shapebench__shape=shape, shapebench__serving=serving, gcp__project="acme")
    (config,) = asked("n4-highcpu-8", stacks=["mine"]).made.values()
    settings = settings_in(config)
    assert (settings.serving.protocol, settings.serving.inter_op, config["gcp:project"]) == ("grpc", 3, "acme")
    assert settings.shape.model_dump(exclude_none=True) == {"machine_type": "n4-highcpu-8", "nodes": 2}


def test_what_is_written_is_what_was_asked_and_only_what_is_missing(folder: Path) -> None:
    found = asked(stacks=["2cpu-4gb"])
    assert write_made(found.made) == [f"Pulumi.{name}.yaml" for name in NAMES]
    assert {stack: load_config(stack) for stack in NAMES} == found.made
    path = folder / "Pulumi.2xn4-highcpu-8.yaml"
    path.unlink()
    assert write_made(found.made) == [path.name]
    assert load_config("2xn4-highcpu-8") == found.made["2xn4-highcpu-8"]


def test_a_stack_file_with_the_same_settings_is_taken_as_it_is() -> None:
    write_made(asked().made)
    own = load_config("2xn4-highcpu-8")
    text = yaml.safe_dump({"config": own | {"gcp:project": "acme"}})
    files.stack_file("2xn4-highcpu-8").write_text(text)
    again = asked().made
    assert again["2xn4-highcpu-8"]["gcp:project"] == "acme"
    assert write_made(again) == []


@pytest.mark.parametrize(
    ("changes", "different"),
    [
        (
            {"shapebench__objective": {"p99": "200ms", "errors": "0.1%"}},
            "another shapebench:load, shapebench:objective,",
        ),
        ({"shapebench__gke": {"preflight": False}}, "another shapebench:gke,"),
        ({"gcp__zone": "us-central1-f"}, "another gcp:zone,"),
    ],
)
def test_a_stack_file_with_other_settings_is_neither_measured_nor_overwritten(
    changes: Mapping[str, object], different: str
) -> None:
    write("2xn4-highcpu-8", shapebench__shape={"machineType": "n4-highcpu-8", "nodes": 2}, **changes)
    before = files.stack_file("2xn4-highcpu-8").read_bytes()
    message = error(stacks=["2cpu-4gb"])
    assert "--machine: n4-highcpu-8: stacks/Pulumi.2xn4-highcpu-8.yaml is there already with " + different in message
    assert message.endswith("delete or rename it, or measure that stack as it is: --stack 2xn4-highcpu-8")
    assert files.stack_file("2xn4-highcpu-8").read_bytes() == before


@pytest.mark.parametrize(
    ("machines", "total_vcpus", "parts"),
    [
        (
            "n4-highcpu-8",
            20,
            ("--machine: n4-highcpu-8: a node has 8 vCPUs", "has 20; give --total-vcpus 16 or 24, or"),
        ),
        ("n4-highcpu-32", 16, ("n4-highcpu-32: a node has 32 vCPUs", "give --total-vcpus 32, or leave")),
        ("n4-highcpu-2", 256, ("256 vCPUs are 128 nodes", "at most 64; give --total-vcpus 128 or less")),
        ("n4-highcpu-3", 16, ("--machine: 'n4-highcpu-3' is no machine type of N4", "did you mean n4-highcpu-2?")),
        ("n4-highcpu-{2,4", 16, ("--machine: 'n4-highcpu-{2,4' has a brace", "write it as n4-highcpu-{2,4}")),
        ("n4-highcpu-2}", 16, ("has a brace without its other one",)),
        ("", 16, ("--machine: '' is of no machine series", "use a type of e2")),
        ("m9-huge-8", 16, ("--machine: 'm9-huge-8' is of no machine series",)),
        ("n4a-highcpu-4", 16, ("--machine: n4a-highcpu-4 is arm64, and there is no server image", "use a type of e2")),
        ("e2-highcpu-2", 16, ("--machine: e2-highcpu-2: a node of 2 GB", "too little to load ResNet50; choose")),
        ("n4-highcpu-8", 0, ("--total-vcpus is 0, which is below 1",)),
    ],
)
def test_a_machine_type_that_cannot_be_measured_is_one_error_with_the_fix(
    machines: str, total_vcpus: int, parts: tuple[str, ...]
) -> None:
    message = error(machines, total_vcpus)
    assert message.count("\n") == 0
    assert [part for part in parts if part not in message] == []


def test_each_wrong_machine_type_has_a_line() -> None:
    lines = error(["n4-highcpu-8", "n4a-highcpu-8", "c3-highcpu-22"]).splitlines()
    assert ["n4a-highcpu-8 is arm64" in lines[0], "c3-highcpu-22: a node has 22 vCPUs" in lines[1]] == [True, True]
    assert len(lines) == 2


def test_a_series_without_a_price_in_the_region_is_refused() -> None:
    write("far", gcp__zone="europe-west3-a", shapebench__region="europe-west3")
    message = error("n4-highcpu-8", stacks=["far"])
    assert message.startswith("--machine: n4-highcpu-8: no price is known for serving nodes: vCPUs")
    assert "in europe-west3" in message
    assert "N4 may not be offered there; leave this machine type out, or fetch" in message


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        ({"machines": ["n4-highcpu-8"]}, ("--machine is given without --total-vcpus", "such as 16")),
        ({"stacks": ["2cpu-4gb"], "total_vcpus": 16}, ("--total-vcpus is given without --machine", "leave it out")),
        (
            {"stacks": ["2cpu-4gb", "x"], "machines": ["n4-highcpu-8"], "total_vcpus": 16},
            (
                "--stack names 2 stacks, but with --machine",
                "give one, and the machine types of the others in --machine",
            ),
        ),
        ({"stacks": ["x"], "machines": ["n4-highcpu-8"], "total_vcpus": 16}, ("there is no stack 'x'",)),
        (
            {"machines": N4, "total_vcpus": 16, "protocol": ["v2-rest"]},
            (
                "cannot be measured on the stack 8xn4-highcpu-2",
                "Change --protocol, or leave 8xn4-highcpu-2 out of --machine",
            ),
        ),
    ],
)
def test_what_contradicts_the_machines_is_named_with_the_fix(options: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(None, options)
    assert [part for part in parts if part not in str(raised.value)] == []


def test_a_stack_that_creates_no_machines_is_no_pattern_for_others(folder: Path) -> None:
    write("here", shapebench__platform="local", shapebench__shape={"machineType": "e2-custom-2-4096", "nodes": 1})
    assert "the stack here is on the platform local, which creates no machines" in error(stacks=["here"])


def test_a_secret_of_a_stack_is_not_copied_to_others() -> None:
    write("mine", gcp__credentials={"secure": "v1:abc"})
    message = error(stacks=["mine"])
    assert "gcp:credentials of the stack mine is a secret that only this stack can decrypt" in message
    assert "v1:abc" not in message


def test_the_journal_keeps_what_was_made() -> None:
    found = asked(stacks=["2cpu-4gb"])
    assert SweepSettings.model_validate_json(found.model_dump_json()) == found
    assert load_settings("2cpu-4gb").shape.machine_type == "e2-custom-2-4096", "its own file is as it was"
