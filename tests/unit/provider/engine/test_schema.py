"""The package's schema has what the settings have. That Pulumi makes an SDK of it: tests/engine/test_own_service.py."""

from typing import Any

import pytest

from provider.engine.schema import package_schema
from stacks.service import ServiceSettings, parse_service

SCHEMA = package_schema()
LOAD_TEST = SCHEMA["resources"]["shapebench:index:LoadTest"]


def test_what_is_required_suffices_and_nothing_of_it_can_be_left_out() -> None:
    least: dict[str, Any] = {
        "service": "mine",
        "url": "http://127.0.0.1:1",
        "model": {"name": "mine"},
        "shape": {"machineType": "e2-standard-2", "nodes": 1},
        "load": {"profile": "smoke"},
    }
    assert sorted(least) == LOAD_TEST["requiredInputs"]
    assert isinstance(parse_service(least), ServiceSettings)
    for name in least:
        with pytest.raises(ValueError, match=f"{name} is missing"):
            parse_service({key: value for key, value in least.items() if key != name})


def test_every_reference_is_to_a_type_of_the_schema() -> None:
    def references(part: object) -> set[str]:
        if isinstance(part, dict):
            own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
            return own.union(*map(references, part.values()))
        return set().union(*map(references, part)) if isinstance(part, list) else set()

    assert references(SCHEMA) == {f"#/types/{name}" for name in SCHEMA["types"]} | {"pulumi.json#/Any"}


def test_descriptions_are_in_the_names_of_a_program() -> None:
    properties = [
        *LOAD_TEST["properties"].values(),
        *(p for t in SCHEMA["types"].values() for p in t["properties"].values()),
    ]
    assert all(field["description"] and "shapebench:" not in field["description"] for field in properties)


def test_the_least_of_a_nested_value_is_required() -> None:
    of = {name.rpartition(":")[2]: nested_type["required"] for name, nested_type in SCHEMA["types"].items()}
    assert of == {
        "Shape": ["machineType", "nodes"],
        "Objective": [],
        "Payload": [],
        "ServedModel": ["name"],
        "Server": ["name", "version"],
    }
