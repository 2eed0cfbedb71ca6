"""Prices: price lists as files, Google's catalogue, the cost of shapes and stacks. Nothing here reads a run's rows."""

from dataclasses import dataclass
from typing import Literal

Usage = Literal["on-demand", "spot", "commit-1y", "commit-3y"]
ON_DEMAND: Usage = "on-demand"


@dataclass(frozen=True)
class Price:
    """The price of one unit. `unit` is `<what>-hour` or `<what>-month`, a month being 730 hours.

    Traffic is priced per GB in a month. `sku_id`, `rule` (which rule chose this SKU) and `effective_at` (since when the
    price is valid) are from a catalogue; they are None where the price was written by hand. `source` says where a price
    of such a list was read and when, if not with the others of the list.
    """

    sku: str
    unit: str
    unit_price: float
    sku_id: str | None = None
    rule: str | None = None
    effective_at: str | None = None
    source: str | None = None
