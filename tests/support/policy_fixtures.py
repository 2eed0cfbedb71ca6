"""Reads the fixtures of the policy rules: resources that keep each rule, and resources that break it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from policy.resource import Resource

_FOLDER = Path(__file__).parents[1] / "unit/policy/fixtures"
_STACK = "8cpu-16gb"


@dataclass(frozen=True)
class Fixture:
    """One resource, and the violation that a rule reports; None if it is green."""

    resource: Resource
    says: str | None


def fixtures(rule: str, colour: str) -> list[Fixture]:
    """The green or red fixtures of a rule. The first red one can be registered with the real engine."""
    content = yaml.safe_load((_FOLDER / f"{rule}.yaml").read_text())
    return [
        Fixture(_resource(declared, f"{rule}-{colour}-{number}"), declared.get("says"))
        for number, declared in enumerate(content[colour])
    ]


def names() -> set[str]:
    """The names of the rules that have fixtures."""
    return {path.stem for path in _FOLDER.glob("*.yaml")}


def _resource(entry: dict[str, Any], name: str) -> Resource:
    return Resource(entry["kind"], name, entry.get("stack", _STACK), entry["inputs"])
