"""The daily price of a leftover: from the price list where that has one, and None otherwise, which is not 0."""

import pytest

from analysis.pricing.cost import estimate, priced, serving_nodes
from google_cloud.day_cost import daily_usd
from google_cloud.inventory import CloudResource
from google_cloud.kinds import ACCOUNT, BUCKET, CLUSTER, DISK, NETWORK, ROUTER, SUBNETWORK
from stacks.files import load_settings
from tests.support import google_resources
from tests.support.google_resources import labels


def found(kind, document, location="us-central1-a"):
    return CloudResource(kind, "a", location, "p", document)


def only(resources: dict) -> dict:
    return next(iter(resources.values()))


def test_a_cluster_costs_its_fee_and_its_nodes():
    settings = load_settings("8cpu-16gb")
    load = priced(serving_nodes(settings.load_shape), "us-central1").hourly
    expected = (estimate(settings.node_shape("8cpu-16gb"), "us-central1").hourly + load) * 24
    assert daily_usd(found(CLUSTER, only(google_resources.cluster("a", labels())))) == pytest.approx(expected)


def test_a_cluster_without_pools_still_costs_its_fee():
    assert daily_usd(found(CLUSTER, only(google_resources.cluster("a", labels(), nodePools=[])))) == pytest.approx(2.40)


def test_a_disk_costs_by_its_size():
    assert daily_usd(found(DISK, only(google_resources.disk("a", labels())))) == pytest.approx(20 * 0.1 / 730 * 24)


@pytest.mark.parametrize("kind", [NETWORK, SUBNETWORK, ACCOUNT], ids=lambda kind: kind.name)
def test_a_free_resource_costs_0(kind):
    assert daily_usd(found(kind, {})) == 0


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        (BUCKET, {}),
        (ROUTER, {}),
        (DISK, {}),
        (DISK, {"type": "x/pd-unlisted-of", "sizeGb": "20"}),
        (DISK, {"type": "x/pd-balanced", "sizeGb": "many"}),
        (CLUSTER, {"nodePools": [{"initialNodeCount": 2, "config": {"machineType": "z9-unlisted-of"}}]}),
        (CLUSTER, {"nodePools": [{"config": {}}]}),
        (CLUSTER, {"nodePools": None}),
    ],
    ids=str,
)
def test_an_unknown_price_is_none_and_not_0(kind, document):
    assert daily_usd(found(kind, document)) is None


def test_the_price_in_a_region_without_prices_is_none():
    assert daily_usd(found(DISK, only(google_resources.disk("a", labels())), "europe-west4-b")) is None
