"""What a leftover costs a day: of the price list where it says, and unknown otherwise, which is not nothing."""

import pytest

from analysis.pricing.cost import estimate, priced, serving_nodes
from google_cloud.day_cost import usd_a_day
from google_cloud.inventory import Found
from google_cloud.kinds import ACCOUNT, ADDRESS, BUCKET, CLUSTER, DISK, NETWORK, ROUTER, SUBNETWORK
from stacks.files import load_settings
from tests.unit.google_cloud import things
from tests.unit.google_cloud.things import labels


def found(kind, document, location="us-central1-a"):
    return Found(kind, "a", location, "p", document)


def of(thing: dict) -> dict:
    return next(iter(thing.values()))


def test_a_cluster_costs_its_fee_and_its_nodes():
    settings = load_settings("8cpu-16gb")
    load = priced(serving_nodes(settings.gke.load_shape), "us-central1").hourly
    expected = (estimate(settings.node_shape("8cpu-16gb"), "us-central1").hourly + load) * 24
    assert usd_a_day(found(CLUSTER, of(things.cluster("a", labels())))) == pytest.approx(expected)


def test_a_cluster_without_pools_still_costs_its_fee():
    assert usd_a_day(found(CLUSTER, of(things.cluster("a", labels(), nodePools=[])))) == pytest.approx(2.40)


def test_a_disk_costs_by_its_size():
    assert usd_a_day(found(DISK, of(things.disk("a", labels())))) == pytest.approx(20 * 0.1 / 730 * 24)


@pytest.mark.parametrize("kind", [NETWORK, SUBNETWORK, ACCOUNT], ids=lambda kind: kind.name)
def test_what_is_free_costs_nothing(kind):
    assert usd_a_day(found(kind, {})) == 0


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (ADDRESS, {}),
        (BUCKET, {}),
        (ROUTER, {}),
        (DISK, {}),
        (DISK, {"type": "x/pd-unheard-of", "sizeGb": "20"}),
        (DISK, {"type": "x/pd-balanced", "sizeGb": "many"}),
        (CLUSTER, {"nodePools": [{"initialNodeCount": 2, "config": {"machineType": "z9-unheard-of"}}]}),
        (CLUSTER, {"nodePools": [{"config": {}}]}),
        (CLUSTER, {"nodePools": None}),
    ],
    ids=str,
)
def test_what_is_not_known_is_unknown_and_not_nothing(kind, document):
    assert usd_a_day(found(kind, document)) is None


def test_a_region_without_prices_is_unknown():
    assert usd_a_day(found(DISK, of(things.disk("a", labels())), "europe-west4-b")) is None
