"""The Google provider's own keys in a stack, `gcp:*`: which there are, and the zone that they name."""

from collections.abc import Mapping

from stacks.explain import SettingsError
from stacks.settings import Settings

PREFIX = "gcp:"
ZONE_KEY = f"{PREFIX}zone"


def google_keys(config: Mapping[str, object]) -> dict[str, str]:
    """Those that are plain text, by full key; a secret in a stack's file is none before the engine has read it."""
    return {key: value for key, value in config.items() if key.startswith(PREFIX) and isinstance(value, str)}


def zone_of(config: Mapping[str, object], settings: Settings) -> str:
    """The zone that `gcp:zone` names; raises SettingsError where it names none of the region's.

    It is the Google provider's own key, so that whatever else makes resources in this stack agrees.
    """
    zone = google_keys(config).get(ZONE_KEY)
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
