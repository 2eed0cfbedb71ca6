"""Reads the configuration of the running Pulumi program."""

import json

from pulumi.runtime.config import get_config_env

from stacks.explain import PREFIX
from stacks.files import google_keys, with_defaults, zone_of
from stacks.settings import Settings, parse_settings

# All other keys are objects, which Pulumi passes as JSON.
_TEXT_KEYS = frozenset({"platform", "results", "region", "rerun"})


def settings_of_this_stack() -> Settings:
    """The settings of the stack that is being previewed or updated.

    Raises SettingsError for a wrong, missing or unknown key: a misspelt one would otherwise change nothing.
    """
    values = {}
    for key, value in get_config_env().items():
        if key.startswith(PREFIX):
            name = key.removeprefix(PREFIX)
            values[name] = value if name in _TEXT_KEYS else _parsed(value)
    return parse_settings(with_defaults(values))


def zone_of_this_stack(settings: Settings) -> str:
    """The zone in the stack's `gcp:zone`; raises SettingsError where it is missing or not in the stack's region."""
    return zone_of(get_config_env(), settings)


def google_config_of_this_stack() -> dict[str, str]:
    """The keys of the Google provider, secrets included, by full key such as `gcp:project`."""
    return google_keys(get_config_env())


def _parsed(value: str) -> object:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
