"""The embedded price source: a dated list in the checkout, so that pricing needs no account and no network."""

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path

from analysis.prices import Price

_FILE = Path(__file__).with_name("snapshot.toml")


@dataclass(frozen=True)
class Snapshot:
    """Prices as they were listed on one day, by (resource, region)."""

    name: str
    as_of: str
    currency: str
    prices: dict[tuple[str, str], Price]

    def price(self, resource: str, region: str) -> Price | None:
        """The listed price, if it is listed."""
        return self.prices.get((resource, region))


@functools.cache
def embedded_snapshot() -> Snapshot:
    """The snapshot that ships with the project."""
    content = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    prices = {
        (row["resource"], row["region"]): Price(sku=row["sku"], unit=row["unit"], unit_price=row["unit_price"])
        for row in content["price"]
    }
    return Snapshot(content["source"], content["as_of"].isoformat(), content["currency"], prices)
