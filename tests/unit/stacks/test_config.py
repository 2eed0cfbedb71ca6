"""What the running program reads of its stack: every key of ours, and the zone from the Google provider's own."""

import json
from typing import Any

import pytest
from pulumi.runtime.config import get_config_env, set_all_config

from stacks.config import settings_of_this_stack
from stacks.explain import SettingsError
from stacks.files import load_settings, zone_of

OWN: dict[str, Any] = {
    "shapebench:platform": "gke",
    "shapebench:shape": json.dumps({"machineType": "e2-custom-8-16384", "nodes": 2}),
    "shapebench:serving": json.dumps({"protocol": "rest", "interOp": 8}),
    "shapebench:load": json.dumps({"profile": "seed"}),
}


@pytest.fixture
def config(monkeypatch):
    """Gives the running program a stack's configuration, as the engine would."""
    monkeypatch.delenv("PULUMI_CONFIG", raising=False)

    def give(**changes: str) -> None:
        monkeypatch.setenv("PULUMI_CONFIG", json.dumps(OWN | changes))

    yield give
    set_all_config({})


def test_a_section_that_sets_one_key_keeps_the_projects_other_defaults(config):
    config(**{"shapebench:gke": json.dumps({"protect": True})})
    assert settings_of_this_stack().gke == load_settings("8cpu-16gb").gke.model_copy(update={"protect": True})


def test_the_zone_is_the_one_of_the_google_provider(config):
    config(**{"gcp:zone": "us-central1-f"})
    assert zone_of(get_config_env(), settings_of_this_stack()) == "us-central1-f"


def test_a_missing_zone_is_an_error_with_the_command_that_sets_it(config):
    config()
    with pytest.raises(
        SettingsError, match="pulumi config set gcp:zone ZONE --stack NAME` with a zone of us-central1, which"
    ):
        zone_of(get_config_env(), settings_of_this_stack())


@pytest.mark.parametrize("zone", ["europe-west4-a", "us-central1", "us-central12-a"])
def test_a_zone_of_another_region_is_refused(config, zone):
    config(**{"gcp:zone": zone})
    with pytest.raises(SettingsError, match=f"'{zone}'.*us-central1.*the prices would be those of another region"):
        zone_of(get_config_env(), settings_of_this_stack())
