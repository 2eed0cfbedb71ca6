"""`shapebench price --refresh`: writes today's prices of Google's catalogue as a new price list."""

from pathlib import Path

from google.cloud.billing_v1.services.cloud_catalog.transports import CloudCatalogTransport

from analysis.pricing import Price
from analysis.pricing.catalogue import CatalogueError, connect, read_catalogue
from analysis.pricing.cost import DEFAULT_REGION
from analysis.pricing.rules import RULES
from analysis.pricing.snapshot import FOLDER, Snapshot, newest_snapshot
from shapebench.output import CommandError, note


def refresh_prices(transport: CloudCatalogTransport | None = None, folder: Path = FOLDER) -> Path:
    """Write the new list and print what changed; raises CommandError, and writes nothing, if the catalogue fails."""
    before = newest_snapshot()
    try:
        after = read_catalogue(transport or connect(), note)
    except CatalogueError as error:
        raise CommandError(str(error)) from None
    path = folder / f"{after.as_of}-catalogue.toml"
    # In one step: half a list would price half of a stack.
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(after.to_toml(), encoding="utf-8")
    unfinished.replace(path)
    newest_snapshot.cache_clear()
    for line in changes(before, after):
        note(line)
    note(f"{len(after.prices)} prices of {len(after.regions)} regions are in {path.name}; commit it to keep them.")
    return path


def changes(before: Snapshot, after: Snapshot, region: str = DEFAULT_REGION) -> list[str]:
    """A line for each price of a region that was added, removed or changed."""
    lines = []
    for rule in RULES:
        old, new = (snapshot.price(rule.resource, region, rule.usage) for snapshot in (before, after))
        what = f"{rule.resource}, {rule.usage}, {region}"
        if isinstance(new, str):
            lines.append(f"{what}: {new}")
        elif isinstance(old, str):
            lines.append(f"{what}: {_shown(new)}, new")
        elif old.unit_price != new.unit_price:
            change = new.unit_price / old.unit_price - 1
            lines.append(f"{what}: {_shown(new)}, was {old.unit_price:.10g} on {before.as_of} ({change:+.2%})")
    return lines


def _shown(price: Price) -> str:
    return f"{price.unit_price:.10g} / {price.unit}"
