"""Prices: price sources (PriceSource), price lists as files, Google's catalogue, and the cost of shapes and stacks."""

from dataclasses import dataclass
from typing import Literal, Protocol

Usage = Literal["on-demand", "spot", "commit-1y", "commit-3y"]
ON_DEMAND: Usage = "on-demand"


@dataclass(frozen=True)
class Price:
    """The price of one unit. `unit` is `<what>-hour` or `<what>-month`, a month being 730 hours.

    Traffic is priced per GB in a month. `sku_id`, `rule` (which rule chose this SKU) and `effective_at` (since when the
    price is valid) are from a catalogue; they are None where the price was written by hand.
    """

    sku: str
    unit: str
    unit_price: float
    sku_id: str | None = None
    rule: str | None = None
    effective_at: str | None = None


@dataclass(frozen=True)
class Unpriced:
    """No price, and the reason. It must never count as free."""

    reason: str


class PriceSource(Protocol):
    """A price list: its source, its date, and prices by resource and region.

    Resources are named as they are billed: `e2-core`, `e2-memory`, `e2-custom-core`, `e2-custom-memory`,
    `pd-balanced`, `gke-zonal-cluster`, `nat-gateway-vm`, `nat-address`, `nat-data`, `standard-storage`. Only vCPUs and
    memory have prices other than on demand.
    """

    @property
    def name(self) -> str: ...

    @property
    def as_of(self) -> str: ...

    @property
    def currency(self) -> str: ...

    def price(self, resource: str, region: str, usage: Usage = ON_DEMAND) -> Price | Unpriced: ...
