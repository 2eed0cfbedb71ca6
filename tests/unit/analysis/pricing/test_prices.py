"""What holds of every price source, and how the catalogue becomes one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api_core.retry import Retry
from google.auth.credentials import Credentials
from google.auth.exceptions import TransportError
from google.cloud.billing_v1.services.cloud_catalog.transports import CloudCatalogTransport
from google.cloud.billing_v1.services.cloud_catalog.transports.rest import CloudCatalogRestTransport

from analysis.pricing import Price, cost
from analysis.pricing import catalogue as live
from analysis.pricing.snapshot import Snapshot, newest_snapshot
from shapebench.commands.prices.refresh import changes, refresh_prices
from shapebench.output import CommandError
from stacks.machines.shapes import NodeShape, ShapeSettings
from tests.unit.analysis.pricing import fake_catalogue as fake

REGION = "us-central1"
QUICK = Retry(predicate=live.RETRY._predicate, initial=0.01, maximum=0.02, timeout=10)
SHORT = QUICK.with_timeout(0.1)
SHAPES = (("e2-custom-2-4096", 8), ("e2-custom-4-8192", 4), ("e2-custom-8-16384", 2), ("e2-highmem-8", 2))


@pytest.fixture
def catalogue() -> fake.FakeCatalogue:
    return fake.FakeCatalogue()


@pytest.fixture
def transport(catalogue: fake.FakeCatalogue) -> Iterator[CloudCatalogTransport]:
    with fake.serving(catalogue) as transport:
        yield transport


def read(transport: CloudCatalogTransport, retry: Retry = QUICK) -> Snapshot:
    return live.read_catalogue(transport, lambda _: None, "2026-11-25", retry)


@pytest.fixture(params=["the list in the checkout", "the catalogue", "the catalogue, written and read again"])
def source(request: pytest.FixtureRequest, transport: CloudCatalogTransport) -> Snapshot:
    if request.param == "the list in the checkout":
        return newest_snapshot()
    fresh = read(transport)
    return fresh if request.param == "the catalogue" else Snapshot.from_toml(fresh.to_toml())


class TestEverySource:
    def test_is_dated_named_and_in_usd(self, source):
        assert source.as_of.startswith("20")
        assert source.name
        assert source.currency == "USD"

    def test_prices_are_positive_have_a_known_unit_and_name_their_sku(self, source):
        assert source.prices
        for price in source.prices.values():
            assert price.unit_price > 0
            assert price.unit.endswith(("-hour", "-month"))
            assert price.sku

    def test_a_custom_type_costs_more_than_a_predefined_one(self, source):
        for kind in ("core", "memory"):
            plain, custom = (source.price(f"{series}-{kind}", REGION) for series in ("e2", "e2-custom"))
            assert custom.unit_price > plain.unit_price

    @pytest.mark.parametrize("usage", ["spot", "commit-1y", "commit-3y"])
    def test_no_other_way_to_buy_costs_more_than_on_demand(self, source, usage):
        for resource in ("e2-core", "e2-memory", "e2-custom-core", "e2-custom-memory"):
            on_demand, other = source.price(resource, REGION), source.price(resource, REGION, usage)
            assert isinstance(other, str) or other.unit_price < on_demand.unit_price

    @pytest.mark.parametrize(("machine_type", "nodes"), SHAPES)
    def test_the_four_shapes_cost_the_same(self, source, machine_type, nodes):
        shape = NodeShape.of("a", ShapeSettings(machine_type=machine_type, nodes=nodes))
        here = cost.estimate(shape, REGION, source)
        assert here.hourly == pytest.approx(cost.estimate(shape, REGION, newest_snapshot()).hourly)

    def test_a_resource_that_is_not_listed_has_a_reason_and_no_price(self, source):
        missing = source.price("e2-core", "mars-north1")
        assert isinstance(missing, str)
        assert "mars-north1" in missing


def test_a_price_from_the_catalogue_says_which_sku_which_rule_and_since_when(transport):
    price = read(transport).price("e2-custom-core", REGION)
    assert price.sku == "E2 Custom Instance Core running in Americas"
    assert price.sku_id
    assert "E2 Custom Instance Core" in price.rule
    assert price.effective_at.startswith("2026-11-01")


def test_every_page_of_every_service_is_read(catalogue, transport):
    read(transport)
    assert catalogue.asked.count("/v1/services/1/skus") == 3  # 20 entries in pages of 7


def test_regions_that_spell_it_otherwise_are_priced_too(transport):
    assert read(transport).price("e2-memory", "northamerica-northeast1").sku == "E2 Instance RAM in Montreal"


def test_a_global_sku_is_priced_in_every_region(transport):
    prices = read(transport)
    for region in (REGION, "northamerica-northeast1"):
        assert prices.price("gke-zonal-cluster", region).unit_price == 0.1


def test_free_amounts_are_no_price(transport):
    assert read(transport).price("standard-storage", REGION).unit_price == 0.02


def test_a_committed_custom_type_costs_the_commitment_and_the_premium(transport):
    prices = read(transport)
    plain, custom = (prices.price(resource, REGION, "commit-3y") for resource in ("e2-core", "e2-custom-core"))
    assert custom.unit_price == pytest.approx(plain.unit_price + 0.05 * 0.02181159)
    assert " + " in custom.sku_id


@pytest.mark.parametrize(
    ("sku", "item"),
    [
        ("E2 Custom Instance Core running in Americas", "serving nodes: vCPUs"),
        ("E2 Custom Instance Ram running in Americas", "serving nodes: memory"),
        ("Balanced PD Capacity", "serving nodes: boot disks"),
        ("Zonal Kubernetes Clusters", "cluster fee"),
    ],
)
def test_a_sku_that_is_gone_makes_the_total_at_least_and_is_named(catalogue, transport, sku, item):
    catalogue.without(sku)
    shape = NodeShape.of("a", ShapeSettings(machine_type="e2-custom-8-16384", nodes=2))
    priced = cost.estimate(shape, REGION, read(transport))
    assert priced.hourly is None
    [at_least] = cost.sums(priced)
    assert at_least.name == "at least"
    assert item in at_least.counts
    [unpriced] = [line_item for line_item in priced.line_items if line_item.hourly is None]
    assert "no SKU matches" in unpriced.reason


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pricingInfo": []}, "lists no price"),
        ({"pricingInfo": fake.priced_at(fake.rate(0), unit="h")}, "no price above 0"),
        ({"pricingInfo": fake.priced_at(fake.rate(1, currency="CHF"), unit="h")}, "1 CHF"),
        ({"pricingInfo": fake.priced_at(fake.rate(1), unit="mo")}, "has the unit 'mo'"),
        ({"pricingInfo": fake.priced_at(unit="h")}, "no price above 0"),
    ],
)
def test_an_entry_that_cannot_be_used_is_no_price_and_says_why(catalogue, transport, changes, said):
    name = "E2 Instance Core running in Americas"
    catalogue.without(name)
    catalogue.listed[fake.COMPUTE].append(fake.sku(name, 1) | changes)
    price = read(transport).price("e2-core", REGION)
    assert isinstance(price, str)
    assert said in price


def test_two_skus_that_differ_are_no_price_and_both_are_named(catalogue, transport):
    twin = fake.sku("E2 Instance Core running in Americas", 0.03, skuId="TWIN")
    catalogue.listed[fake.COMPUTE].append(twin)
    price = read(transport).price("e2-core", REGION)
    assert isinstance(price, str)
    assert "TWIN" in price


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_bad_minute_of_the_service_passes(catalogue, transport, code):
    catalogue.answers_first = [code, code, code]
    assert isinstance(read(transport).price("e2-core", REGION), Price)


@pytest.mark.parametrize(
    ("codes", "fix"),
    [
        ([403], "gcloud services enable cloudbilling.googleapis.com"),
        ([401], "gcloud auth application-default login"),
        ([500] * 1000, "try again later"),
        ([400], "try again later"),
    ],
)
def test_a_catalogue_that_cannot_be_read_is_one_error_with_its_fix(catalogue, transport, codes, fix):
    catalogue.answers_first = codes
    with pytest.raises(live.CatalogueError, match=fix):
        read(transport, SHORT)


def test_without_a_network_the_credentials_are_not_blamed():
    class Offline(Credentials):
        def refresh(self, request):  # noqa: ARG002 - of the interface
            raise TransportError("no route to oauth2.googleapis.com")

    with pytest.raises(live.CatalogueError, match=r"could not be read.*try again later \(.*no route") as caught:
        read(CloudCatalogRestTransport(credentials=Offline()), SHORT)
    assert "gcloud auth" not in str(caught.value)


def test_an_answer_that_is_no_catalogue_is_one_error(catalogue, transport):
    catalogue.listed[fake.COMPUTE][0]["pricingInfo"] = "a lot"
    with pytest.raises(live.CatalogueError, match="could not be read"):
        read(transport)


def test_a_catalogue_without_one_of_the_services_is_an_error(catalogue, transport):
    del catalogue.listed[fake.NETWORK]
    with pytest.raises(live.CatalogueError, match="Networking"):
        read(transport)


def test_without_credentials_the_error_says_how_to_get_some(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(live.CatalogueError, match="gcloud auth application-default login"):
        live.connect()


def test_a_refresh_keeps_the_list_and_says_what_changed(catalogue, transport, tmp_path, capsys):
    for entry in catalogue.listed[fake.COMPUTE]:
        if entry["description"] == "E2 Instance Core running in Americas":
            entry["pricingInfo"] = fake.priced_at(fake.rate(0.02181159 * 2), unit="h")
    path = refresh_prices(transport, tmp_path)
    assert Snapshot.from_toml(path.read_text()).price("e2-core", REGION).unit_price == pytest.approx(0.04362318)
    said = capsys.readouterr().err
    assert "(+100.00%)" in said
    assert "e2-core, spot, us-central1" in said
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


def test_a_refresh_that_fails_writes_nothing(catalogue, transport, tmp_path: Path):
    catalogue.answers_first = [403]
    with pytest.raises(CommandError, match="gcloud services enable"):
        refresh_prices(transport, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_changed_is_no_line(transport):
    same = read(transport)
    unpriced = [line for line in changes(same, same) if "no SKU" not in line]
    assert unpriced == []
