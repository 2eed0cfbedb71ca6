"""What is removed of a killed update's creations, where some zones of Google Cloud do not answer."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from google_cloud.inventory import Inventory
from sweep.pulumi_fleet import google

CREATING = {
    "type": "creating",
    "resource": {
        "urn": "urn:pulumi:2cpu-4gb::shapebench::gcp:container/cluster:Cluster::cluster",
        "type": "gcp:container/cluster:Cluster",
        "inputs": {"name": "s-1"},
    },
}
Left = Callable[..., list[str]]


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Left:
    """Why something is not removed yet, where these places do not answer."""

    def left(*unlisted: str, **config: str) -> list[str]:
        client = SimpleNamespace(now=lambda: datetime.now(UTC))
        monkeypatch.setattr(google, "_google", lambda *_: nullcontext((client, "p")))
        monkeypatch.setattr(google, "inventory", lambda *_: Inventory((), (), unlisted))
        state = json.dumps({"deployment": {"pending_operations": [CREATING]}})
        return google.remove_interrupted(
            "2cpu-4gb", state, {f"gcp:{key}": value for key, value in config.items()}, print
        )

    return left


def test_a_zone_of_the_stack_that_does_not_answer_is_looked_at_again(left: Left) -> None:
    why = "no answer from us-central1-a, so it is not known what was being created there"
    assert left("us-central1-a", zone="us-central1-a") == [why]


def test_its_region_counts_and_other_regions_do_not(left: Left) -> None:
    assert left("us-east1-b", "us-central1", "us-central1-f", zone="us-central1-a") == [
        "no answer from us-central1, so it is not known what was being created there",
        "no answer from us-central1-f, so it is not known what was being created there",
    ]


def test_without_a_zone_every_place_counts(left: Left) -> None:
    assert len(left("us-east1-b")) == 1


def test_where_all_answer_and_nothing_is_found_nothing_is_left(left: Left) -> None:
    assert left(zone="us-central1-a") == []
