"""Price lists as dated files in the checkout, so that pricing needs no account and no network."""

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

import tomli_w

from analysis.pricing import ON_DEMAND, Price, Usage

FOLDER = Path(__file__).with_name("snapshots")


@dataclass(frozen=True, order=True)
class Billed:
    """What a price is of: resource, region and usage."""

    resource: str
    region: str
    usage: Usage = ON_DEMAND


@dataclass(frozen=True)
class Snapshot:
    """The prices of one day. `unpriced` has the reason for each resource that has none.

    Resources are named as they are billed: of each machine series such as `e2-core`, `e2-memory`, `e2-custom-core`,
    `e2-custom-memory`; `pd-balanced`, `hyperdisk-balanced`, `gke-zonal-cluster`, `nat-gateway-vm`, `nat-address`,
    `nat-data`, `standard-storage`. Only vCPUs and memory have prices other than on demand.
    """

    name: str
    as_of: str
    currency: str
    prices: Mapping[Billed, Price]
    unpriced: Mapping[Billed, str] = field(default_factory=dict)

    def price(self, resource: str, region: str, usage: Usage = ON_DEMAND) -> Price | str:
        """The price, or why there is none; no price must never count as free."""
        billed = Billed(resource, region, usage)
        if billed in self.prices:
            return self.prices[billed]
        kind = "" if usage == ON_DEMAND else f" {usage}"
        why = self.unpriced.get(billed)
        listed = f"no{kind} price of {resource} in {region}"
        return f"{listed}: {why}" if why else listed

    @property
    def regions(self) -> tuple[str, ...]:
        return tuple(sorted({billed.region for billed in self.prices}))

    def to_toml(self) -> str:
        """The list as `from_toml` reads it, sorted, so that two lists can be compared line by line."""
        head = {"as_of": date.fromisoformat(self.as_of), "source": self.name, "currency": self.currency}
        prices = [_known(asdict(billed) | asdict(self.prices[billed])) for billed in sorted(self.prices)]
        missing = [asdict(billed) | {"reason": self.unpriced[billed]} for billed in sorted(self.unpriced)]
        return tomli_w.dumps(head | {"price": prices, "unpriced": missing}, multiline_strings=False)

    @classmethod
    def from_toml(cls, text: str) -> "Snapshot":
        """The list in the text of a file; raises KeyError, TypeError or ValueError where that is not one."""
        content = tomllib.loads(text)
        prices = {_billed(row): Price(**row) for row in content["price"]}
        unpriced = {_billed(row): str(row["reason"]) for row in content.get("unpriced", [])}
        return cls(content["source"], content["as_of"].isoformat(), content["currency"], prices, unpriced)


@functools.cache
def newest_snapshot() -> Snapshot:
    """The newest list in the checkout: file names start with the date, and of one day the catalogue's sorts last."""
    newest = max(FOLDER.glob("*.toml"), key=lambda path: path.name)
    return Snapshot.from_toml(newest.read_text(encoding="utf-8"))


def _billed(row: dict[str, str]) -> Billed:
    """Remove resource, region and usage from a row."""
    usage: Usage = row.pop("usage", ON_DEMAND)  # type: ignore[assignment]  # no price is looked up by another one
    return Billed(row.pop("resource"), row.pop("region"), usage)


def _known(row: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in row.items() if value is not None}
