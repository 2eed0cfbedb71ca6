"""What a unit of a cloud resource costs: the question (PriceSource), and the sources that answer it."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Price:
    """The price of one unit. `unit` is `<what>-hour` or `<what>-month`, a month being 730 hours.

    Traffic is priced by the GB that passes in a month.
    """

    sku: str
    unit: str
    unit_price: float


class PriceSource(Protocol):
    """A price list: where it is from, the day it was true, and a price for each resource it knows in a region.

    Resources are named as they are billed: `e2-core`, `e2-memory`, `e2-custom-core`, `e2-custom-memory`,
    `pd-balanced`, `gke-zonal-cluster`, `nat-gateway-vm`, `nat-address`, `nat-data`, `standard-storage`. No price is
    None, which no reader may count as free.
    """

    @property
    def name(self) -> str: ...

    @property
    def as_of(self) -> str: ...

    @property
    def currency(self) -> str: ...

    def price(self, resource: str, region: str) -> Price | None: ...
