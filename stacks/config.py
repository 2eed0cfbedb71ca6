"""Reads the running Pulumi program's configuration into settings: the only place that does."""

import json

from pulumi.runtime.config import get_config_env

from stacks.explain import PREFIX
from stacks.files import google_keys, with_defaults, zone_of
from stacks.settings import Settings, parse_settings

# Scalars among the keys; all others are objects, which Pulumi hands over as JSON.
_TEXT_KEYS = frozenset({"platform", "results", "region", "rerun"})


def settings_of_this_stack() -> Settings:
    """The settings of the stack that is being previewed or updated.

    Raises SettingsError for a wrong, missing or unknown key. Every key of ours is read, not only those we know:
    a misspelt one would otherwise silently change nothing.
    """
    values = {}
    for key, value in get_config_env().items():
        if key.startswith(PREFIX):
            name = key.removeprefix(PREFIX)
            values[name] = value if name in _TEXT_KEYS else _parsed(value)
    return parse_settings(with_defaults(values))


def zone_of_this_stack(settings: Settings) -> str:
    """The zone that the stack's `gcp:zone` names; raises SettingsError where it names none of the region's."""
    return zone_of(get_config_env(), settings)


def google_config_of_this_stack() -> dict[str, str]:
    """The Google provider's own keys, secrets among them, by full key such as `gcp:project`."""
    return google_keys(get_config_env())


def _parsed(value: str) -> object:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
