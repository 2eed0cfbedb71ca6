"""Reads the running Pulumi program's configuration into settings: the only place that does."""

import json

from pulumi.runtime.config import get_config_env

from stacks.explain import PREFIX, SettingsError
from stacks.files import with_defaults
from stacks.settings import Settings, parse_settings

ZONE_KEY = "gcp:zone"

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
    """The zone that the stack's `gcp:zone` names; raises SettingsError where it names none of the region's.

    It is the Google provider's own key, so that whatever else makes resources in this stack agrees.
    """
    zone: str | None = get_config_env().get(ZONE_KEY)
    if zone is None:
        raise SettingsError(
            f"{ZONE_KEY} is missing, so it is open where the cluster would be;"
            f" run `pulumi config set {ZONE_KEY} {settings.region}-a`"
        )
    if zone.rpartition("-")[0] != settings.region:
        raise SettingsError(
            f"{ZONE_KEY} is {zone!r}, which is no zone of shapebench:region {settings.region}, so the cluster would be"
            " priced as if it were elsewhere; give a zone and its region"
        )
    return zone


def _parsed(value: str) -> object:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
