"""Reads Google's Cloud Billing Catalog: every SKU that a rule matches, as a price list.

https://docs.cloud.google.com/billing/v1/how-tos/catalog-api
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import google.auth
import requests
from google.api_core import exceptions as api
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud.billing_v1 import CloudCatalogClient, ListServicesRequest, ListSkusRequest, Sku
from google.cloud.billing_v1.services.cloud_catalog.transports import CloudCatalogTransport
from google.cloud.billing_v1.services.cloud_catalog.transports.rest import CloudCatalogRestTransport
from google.protobuf.json_format import ParseError

from analysis.pricing import Price
from analysis.pricing.rules import RULES, Part, Rule
from analysis.pricing.snapshot import Billed, Snapshot

NAME = "Cloud Billing Catalog"
_GLOBAL = "global"
_CURRENCY = "USD"
_PAGE = 5000

# Errors that pass: too many requests, and short outages of the service.
_TRANSIENT = (
    api.TooManyRequests,
    api.InternalServerError,
    api.BadGateway,
    api.ServiceUnavailable,
    api.GatewayTimeout,
    requests.ConnectionError,
    requests.Timeout,
)
RETRY = Retry(predicate=if_exception_type(*_TRANSIENT), initial=1.0, maximum=20.0, timeout=120.0)


class CatalogueError(Exception):
    """The catalogue could not be read, so there are no new prices; the message says what to do."""


def connect() -> CloudCatalogTransport:
    """A connection with the credentials of the environment; raises CatalogueError without any."""
    try:
        credentials, _ = google.auth.default(scopes=CloudCatalogTransport.AUTH_SCOPES)
    except GoogleAuthError as error:
        raise CatalogueError(
            "there are no Google credentials, which the catalogue requires, so prices stay as they are; "
            f"run `gcloud auth application-default login` ({error})"
        ) from None
    return CloudCatalogRestTransport(credentials=credentials)


def read_catalogue(
    transport: CloudCatalogTransport, on_progress: Callable[[str], None], today: str | None = None, retry: Retry = RETRY
) -> Snapshot:
    """Every price that a rule finds, in every region of the catalogue; raises CatalogueError when it cannot be read."""
    client = CloudCatalogClient(transport=transport)
    try:
        skus = [*_matched_skus(client, on_progress, retry)]
    except (api.GoogleAPIError, GoogleAuthError, requests.RequestException, ParseError) as error:
        raise CatalogueError(_why(error)) from None
    if not any(candidates for _, candidates in skus):
        raise CatalogueError(
            "no SKU of the catalogue matches a rule of analysis/pricing/rules.py, so no price list was written; "
            "correct the rules"
        )
    return _snapshot(dict(skus), today or datetime.now(UTC).date().isoformat())


@dataclass(frozen=True)
class _Rate:
    """The price of a SKU, or why it has none."""

    sku: Sku
    usd: float | None
    usage_unit: str
    effective_at: str | None
    why_not: str | None


def _matched_skus(
    client: CloudCatalogClient, on_progress: Callable[[str], None], retry: Retry
) -> Iterator[tuple[Part, list[_Rate]]]:
    parts = {part for rule in RULES for part in rule.parts}
    services = {
        service.display_name: service.name
        for service in client.list_services(ListServicesRequest(page_size=_PAGE), retry=retry)
    }
    for name in sorted({part.service for part in parts}):
        if name not in services:
            raise CatalogueError(
                f"the catalogue has no service {name}, so its SKUs have no prices; "
                "find its new name and correct analysis/pricing/rules.py"
            )
        on_progress(f"reading the prices of {name}")
        request = ListSkusRequest(parent=services[name], page_size=_PAGE, currency_code=_CURRENCY)
        listed = [*client.list_skus(request, retry=retry)]
        for part in (part for part in parts if part.service == name):
            with_usage = [sku for sku in listed if sku.category.usage_type == part.usage_type]
            yield part, [_rate(sku) for sku in with_usage if part.description.fullmatch(sku.description)]


def _rate(sku: Sku) -> _Rate:
    """The newest price of a SKU: of its tiers, the first that is not free."""
    if not sku.pricing_info:
        return _Rate(sku, None, "", None, "it lists no price")
    newest = sku.pricing_info[-1]
    expression = newest.pricing_expression
    paid = [rate.unit_price for rate in expression.tiered_rates if rate.unit_price.units or rate.unit_price.nanos]
    if not paid:
        return _Rate(sku, None, "", None, "it lists no price above 0")
    money = paid[0]
    usd = money.units + money.nanos / 1e9
    if usd <= 0 or money.currency_code != _CURRENCY:
        return _Rate(sku, None, "", None, f"its price is {usd:g} {money.currency_code or 'of no currency'}")
    since = newest.effective_time.isoformat() if newest.effective_time else None  # type: ignore[attr-defined]  # a datetime here
    return _Rate(sku, usd, expression.usage_unit, since, None)


def _snapshot(candidates: dict[Part, list[_Rate]], today: str) -> Snapshot:
    regions = sorted(
        {region for rates in candidates.values() for rate in rates for region in rate.sku.service_regions} - {_GLOBAL}
    )
    prices: dict[Billed, Price] = {}
    unpriced: dict[Billed, str] = {}
    for rule, region in itertools.product(RULES, regions):
        price = _price(rule, region, candidates)
        billed = Billed(rule.resource, region, rule.usage)
        if isinstance(price, Price):
            prices[billed] = price
        else:
            unpriced[billed] = price
    return Snapshot(NAME, today, _CURRENCY, prices, unpriced)


def _price(rule: Rule, region: str, candidates: dict[Part, list[_Rate]]) -> Price | str:
    """The price by a rule in a region, or why there is none."""
    chosen = []
    for part in rule.parts:
        sold = [rate for rate in candidates[part] if {region, _GLOBAL} & {*rate.sku.service_regions}]
        if not sold:
            return f"no SKU matches {part}"
        if len({(rate.usd, rate.usage_unit) for rate in sold}) > 1:
            ids = ", ".join(sorted(rate.sku.sku_id for rate in sold))
            return f"{len(sold)} SKUs match {part} and differ in price ({ids})"
        rate = min(sold, key=lambda rate: rate.sku.sku_id)
        if rate.why_not or rate.usd is None:
            return f"SKU {rate.sku.sku_id} ({rate.sku.description}) cannot be used: {rate.why_not}"
        if rate.usage_unit != rule.usage_unit:
            return (
                f"the catalogue has the unit '{rate.usage_unit}' for SKU {rate.sku.sku_id}, and its rule in"
                f" analysis/pricing/rules.py expects '{rule.usage_unit}'"
            )
        chosen.append(rate)
    return Price(
        sku=" + ".join(rate.sku.description for rate in chosen),
        unit=rule.unit,
        unit_price=round(sum(rate.usd or 0 for rate in chosen), 12),
        sku_id=" + ".join(rate.sku.sku_id for rate in chosen),
        rule=str(rule),
        effective_at=max((rate.effective_at for rate in chosen if rate.effective_at), default=None),
    )


def _why(error: Exception) -> str:
    if isinstance(error, api.Forbidden):
        return (
            "Google refuses to show the price catalogue, so prices stay as they are; do what its answer says, such as"
            f" `gcloud services enable cloudbilling.googleapis.com` ({error})"
        )
    # Without a network, credentials may be in order.
    if isinstance(error, api.Unauthorized | GoogleAuthError) and not isinstance(error, TransportError):
        return (
            "the credentials are not accepted, so prices stay as they are; "
            f"run `gcloud auth application-default login` ({error})"
        )
    return f"the catalogue could not be read, so prices stay as they are; try again later ({error})"
