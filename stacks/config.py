"""Reads the configuration of the running Pulumi program."""

import json

from pulumi.runtime.config import get_config_env

from stacks.explain import PREFIX
from stacks.files import with_defaults
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


def _parsed(value: str) -> object:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
