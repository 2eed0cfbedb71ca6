"""Reads stack files without Pulumi: for the commands, the checks and the tests."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from stacks.explain import PREFIX, SettingsError
from stacks.load.objective import QUANTILES
from stacks.settings import Settings, parse_settings

STACKS_DIR = Path(__file__).parent
PROJECT_FILE = STACKS_DIR.parent / "Pulumi.yaml"

GOOGLE_PREFIX = "gcp:"
ZONE_KEY = f"{GOOGLE_PREFIX}zone"


def stack_names() -> list[str]:
    """The names of all stacks that have a file."""
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in STACKS_DIR.glob("Pulumi.*.yaml"))


def stack_file(stack: str) -> Path:
    """Where a stack's file is, or would be."""
    return STACKS_DIR / f"Pulumi.{stack}.yaml"


def load_settings(stack: str) -> Settings:
    """The settings of a stack, from its file and the project's defaults; raises SettingsError."""
    return settings_in(load_config(stack))


def settings_in(config: Mapping[str, Any]) -> Settings:
    """The settings in a configuration by full key, with the project's defaults; raises SettingsError."""
    return parse_settings(
        with_defaults({key.removeprefix(PREFIX): config[key] for key in config if key.startswith(PREFIX)})
    )


def load_config(stack: str) -> dict[str, Any]:
    """The configuration in a stack's file by full key, with the keys of other packages; raises SettingsError."""
    config: dict[str, Any] = load_stack_file(stack).get("config") or {}
    return config


def load_stack_file(stack: str) -> dict[str, Any]:
    """All that a stack's file has; raises SettingsError where it is missing or not YAML."""
    path = stack_file(stack)
    if not path.is_file():
        raise SettingsError(
            f"there is no stack '{stack}', because {path.name} is missing; the stacks are {', '.join(stack_names())}"
        )
    try:
        # `pulumi stack init` of a new name makes an empty file.
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())
        raise SettingsError(f"{path.name} is not YAML, so the stack has no settings; correct it: {why}") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path.name} has no keys, so the stack has no settings; begin it with `config:`")
    return content


def project_defaults() -> dict[str, Any]:
    """The defaults in `Pulumi.yaml`, by key without prefix. There are no others."""
    declared = yaml.safe_load(PROJECT_FILE.read_text(encoding="utf-8"))["config"]
    return {key: item["default"] for key, item in declared.items() if "default" in item}


def with_defaults(values: dict[str, Any]) -> dict[str, Any]:
    """A stack's values, with the project's default for every key that is missing, inside sections too.

    Pulumi takes a whole section from the stack or from the project: a stack that sets one key of a section would have
    to repeat all others.
    """
    defaults = project_defaults()
    sections = {
        key: _without_other_limit(defaults[key], value) | value
        for key, value in values.items()
        if isinstance(value, dict) and isinstance(defaults.get(key), dict)
    }
    return defaults | values | sections


def _without_other_limit(defaults: dict[str, Any], section: dict[str, Any]) -> dict[str, Any]:
    """The defaults of a section; an objective that states a latency limit does not get another one."""
    return {key: value for key, value in defaults.items() if not (key in QUANTILES and section.keys() & QUANTILES)}


def store_uri(results: str, folder: Path) -> str:
    """The results store, the same one wherever it is read: a URI as it is, a folder as it is seen from `folder`."""
    return results if "://" in results else os.path.normpath(folder / results)


def google_keys(config: Mapping[str, object]) -> dict[str, str]:
    """The keys of the Google provider that are plain text; in a stack file, a secret is not."""
    return {key: value for key, value in config.items() if key.startswith(GOOGLE_PREFIX) and isinstance(value, str)}


def zone_of(config: Mapping[str, object], settings: Settings) -> str:
    """The zone in `gcp:zone`; raises SettingsError where it is missing or not in the stack's region.

    It is the Google provider's own key, so that every resource of the stack is created in the same zone.
    """
    zone = google_keys(config).get(ZONE_KEY)
    if zone is None:
        raise SettingsError(
            f"{ZONE_KEY} is not set, so the cluster has no zone; run `pulumi config set {ZONE_KEY} ZONE --stack NAME`"
            f" with a zone of {settings.region}, which `gcloud compute zones list` shows"
        )
    if zone.rpartition("-")[0] != settings.region:
        raise SettingsError(
            f"{ZONE_KEY} is {zone!r}, but shapebench:region is {settings.region!r}, so the prices would be those of"
            f" another region; set {ZONE_KEY} to a zone of {settings.region}, or shapebench:region to the region of"
            f" {zone}"
        )
    return zone
