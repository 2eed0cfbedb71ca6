"""Price lists as files: dated, in the checkout, so that pricing needs no account and no network."""

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

import tomli_w

from analysis.pricing import ON_DEMAND, Price, Unpriced, Usage

FOLDER = Path(__file__).with_name("snapshots")


@dataclass(frozen=True, order=True)
class Billed:
    """What a price is for."""

    resource: str
    region: str
    usage: Usage = ON_DEMAND


@dataclass(frozen=True)
class Snapshot:
    """Prices as they were listed on one day. `unpriced` says why something that was looked for has none."""

    name: str
    as_of: str
    currency: str
    prices: Mapping[Billed, Price]
    unpriced: Mapping[Billed, str] = field(default_factory=dict)

    def price(self, resource: str, region: str, usage: Usage = ON_DEMAND) -> Price | Unpriced:
        """The listed price, or why there is none."""
        billed = Billed(resource, region, usage)
        if billed in self.prices:
            return self.prices[billed]
        kind = "" if usage == ON_DEMAND else f" {usage}"
        why = self.unpriced.get(billed)
        listed = f"no{kind} price of {resource} in {region}"
        return Unpriced(f"{listed}: {why}" if why else listed)

    @property
    def regions(self) -> tuple[str, ...]:
        """Every region that something is priced in, in order."""
        return tuple(sorted({billed.region for billed in self.prices}))

    def to_toml(self) -> str:
        """The list as `from_toml` reads it, in an order that makes two of them comparable line by line."""
        head = {"as_of": date.fromisoformat(self.as_of), "source": self.name, "currency": self.currency}
        prices = [_known(asdict(billed) | asdict(self.prices[billed])) for billed in sorted(self.prices)]
        missing = [asdict(billed) | {"reason": self.unpriced[billed]} for billed in sorted(self.unpriced)]
        return tomli_w.dumps(head | {"price": prices, "unpriced": missing}, multiline_strings=False)

    @classmethod
    def from_toml(cls, text: str) -> "Snapshot":
        """The list that a file holds; raises KeyError, TypeError or ValueError where it is none."""
        content = tomllib.loads(text)
        prices = {_billed(row): Price(**row) for row in content["price"]}
        unpriced = {_billed(row): str(row["reason"]) for row in content.get("unpriced", [])}
        return cls(content["source"], content["as_of"].isoformat(), content["currency"], prices, unpriced)


@functools.cache
def newest_snapshot() -> Snapshot:
    """The newest list in the checkout: files are named by their day, and of one day the catalogue's comes last."""
    newest = max(FOLDER.glob("*.toml"), key=lambda path: path.name)
    return Snapshot.from_toml(newest.read_text(encoding="utf-8"))


def _billed(row: dict[str, str]) -> Billed:
    """Take what a price is for out of its row."""
    usage: Usage = row.pop("usage", ON_DEMAND)  # type: ignore[assignment]  # a wrong one is found by nobody
    return Billed(row.pop("resource"), row.pop("region"), usage)


def _known(row: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in row.items() if value is not None}
