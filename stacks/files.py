"""Reads stack files without Pulumi, for whoever wants to know what a stack says: the CLI, the checks, the tests."""

from pathlib import Path
from typing import Any

import yaml

from stacks.explain import PREFIX, SettingsError
from stacks.settings import Settings, parse_settings
from stacks.shapes import NodeShape

STACKS_DIR = Path(__file__).parent
PROJECT_FILE = STACKS_DIR.parent / "Pulumi.yaml"


def stack_names() -> list[str]:
    """The stacks that have a file, by name."""
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in STACKS_DIR.glob("Pulumi.*.yaml"))


def load_settings(stack: str) -> Settings:
    """The settings of a stack, from its file and the project's defaults; raises SettingsError."""
    return parse_settings(with_defaults(_own_values(load_config(stack))))


def load_config(stack: str) -> dict[str, Any]:
    """What a stack's file says, by full key, other packages' keys among them; raises SettingsError."""
    path = STACKS_DIR / f"Pulumi.{stack}.yaml"
    if not path.is_file():
        raise SettingsError(
            f"there is no stack '{stack}', for {path.name} is missing; there are {', '.join(stack_names())}"
        )
    config: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")).get("config", {})
    return config


def load_shape(stack: str) -> NodeShape:
    """The node shape of a stack; raises SettingsError."""
    return load_settings(stack).node_shape(stack)


def project_defaults() -> dict[str, Any]:
    """The defaults that `Pulumi.yaml` declares, by key without prefix. They live there and nowhere else."""
    declared = yaml.safe_load(PROJECT_FILE.read_text(encoding="utf-8"))["config"]
    return {key: item["default"] for key, item in declared.items() if "default" in item}


def with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """What a stack says, and the project's default for every key that it leaves out, also inside a section.

    Pulumi itself takes a section from the stack or from the project, whole; a stack that sets one key of a section
    would have to repeat all others.
    """
    defaults = project_defaults()
    sections = {
        key: defaults[key] | value
        for key, value in values.items()
        if isinstance(value, dict) and isinstance(defaults.get(key), dict)
    }
    return defaults | values | sections


def _own_values(config: dict[str, Any]) -> dict[str, Any]:
    return {key.removeprefix(PREFIX): value for key, value in config.items() if key.startswith(PREFIX)}
