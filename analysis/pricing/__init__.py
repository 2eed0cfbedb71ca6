"""What a unit of a cloud resource costs: the question (PriceSource), and the sources that answer it."""

from dataclasses import dataclass
from typing import Literal, Protocol

Usage = Literal["on-demand", "spot", "commit-1y", "commit-3y"]
ON_DEMAND: Usage = "on-demand"


@dataclass(frozen=True)
class Price:
    """The price of one unit. `unit` is `<what>-hour` or `<what>-month`, a month being 730 hours.

    Traffic is priced by the GB that passes in a month. `sku_id`, `rule` (what chose this SKU) and `effective_at` (since
    when it has been this much) are known where a catalogue was asked, and None where a person wrote the price down.
    """

    sku: str
    unit: str
    unit_price: float
    sku_id: str | None = None
    rule: str | None = None
    effective_at: str | None = None


@dataclass(frozen=True)
class Unpriced:
    """No price, and why. No reader may count it as free."""

    reason: str


class PriceSource(Protocol):
    """A price list: where it is from, the day it was true, and a price for each resource it knows in a region.

    Resources are named as they are billed: `e2-core`, `e2-memory`, `e2-custom-core`, `e2-custom-memory`,
    `pd-balanced`, `gke-zonal-cluster`, `nat-gateway-vm`, `nat-address`, `nat-data`, `standard-storage`. Only vCPUs and
    memory have prices for another usage than on demand.
    """

    @property
    def name(self) -> str: ...

    @property
    def as_of(self) -> str: ...

    @property
    def currency(self) -> str: ...

    def price(self, resource: str, region: str, usage: Usage = ON_DEMAND) -> Price | Unpriced: ...
