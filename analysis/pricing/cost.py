"""What a shape costs an hour, as line items: one for each thing that is declared and billed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from analysis.pricing import ON_DEMAND, PriceSource, Unpriced, Usage
from analysis.pricing.snapshot import newest_snapshot
from analysis.results.manifest import SERVING_NODES, Category, Cost, LineItem
from stacks.gke import BOOT_DISK_GB
from stacks.shapes import NodeShape

DEFAULT_REGION = "us-central1"
HOURS_A_DAY = 24
HOURS_A_MONTH = 730


class Quantity(NamedTuple):
    """A billed resource: how much of it in the price list's unit, what it is called there, and what it belongs to.

    `discounted` is what spot machines and commitments make cheaper: vCPUs and memory, nothing else.
    """

    name: str
    quantity: float
    unit: str
    resource: str
    category: Category
    discounted: bool = False


CLUSTER_FEE = Quantity("cluster fee", 1, "cluster-hour", "gke-zonal-cluster", Category.management_fee)


@dataclass(frozen=True)
class Sum:
    """A sum of line items and what it counts."""

    name: str
    counts: str
    hourly: float | None


def estimate(
    shape: NodeShape, region: str = DEFAULT_REGION, source: PriceSource | None = None, usage: Usage = ON_DEMAND
) -> Cost:
    """The serving side of a stack of this shape: its nodes' vCPUs, memory and boot disks, and the cluster's fee.

    What has no price makes the total None (`at_least` sums the rest).
    """
    return priced((*serving_nodes(shape), CLUSTER_FEE), region, source, usage)


def serving_nodes(shape: NodeShape) -> tuple[Quantity, ...]:
    """What nodes that serve are billed for, without the cluster around them."""
    return node_quantities(SERVING_NODES, shape, Category.serving_nodes, Category.boot_disks)


def node_quantities(prefix: str, shape: NodeShape, machines: Category, disks: Category) -> tuple[Quantity, ...]:
    """What nodes are billed for: by their machine series, of which a custom type has SKUs of its own."""
    series, kind = shape.machine_type.split("-")[:2]
    sku = f"{series}-custom" if kind == "custom" else series
    vcpus, memory_gb, disks_gb = (shape.nodes * each for each in (shape.vcpus, shape.memory_gb, BOOT_DISK_GB))
    return (
        Quantity(f"{prefix}vCPUs", vcpus, "vCPU-hour", f"{sku}-core", machines, discounted=True),
        Quantity(f"{prefix}memory", memory_gb, "GB-hour", f"{sku}-memory", machines, discounted=True),
        Quantity(f"{prefix}boot disks", disks_gb, "GB-month", shape.series.boot_disk_type, disks),
    )


def priced(
    quantities: Iterable[Quantity], region: str, source: PriceSource | None = None, usage: Usage = ON_DEMAND
) -> Cost:
    """The quantities at a region's prices, a line item each; `usage` is how the machines are bought."""
    source = source or newest_snapshot()
    items = tuple(_line_item(quantity, region, source, usage) for quantity in quantities)
    return Cost(
        currency=source.currency,
        region=region,
        prices_as_of=source.as_of,
        source=source.name,
        line_items=items,
        hourly=_total(items),
    )


def nodes_hourly(cost: Cost) -> float | None:
    """The serving nodes' vCPUs and memory alone: the figure that the published experiment compares shapes by."""
    return _total(item for item in cost.line_items if item.category is Category.serving_nodes)


def with_free_tier(cost: Cost) -> float | None:
    """The total without the cluster's fee, which a billing account's monthly credit covers for one zonal cluster."""
    return _total(item for item in cost.line_items if item.category is not Category.management_fee)


def sums(cost: Cost) -> list[Sum]:
    """The total, and the other sums that people compare; or what it costs at least, where something has no price."""
    if cost.hourly is None:
        return [Sum("at least", why_unpriced(cost), at_least(cost))]
    return [
        Sum("total", "all of the above", cost.hourly),
        Sum("with free tier", "a monthly credit covers the fee of one zonal cluster", with_free_tier(cost)),
        Sum("nodes only", "vCPUs and memory, as the published experiment compares shapes", nodes_hourly(cost)),
    ]


def at_least(cost: Cost) -> float:
    """What the priced line items come to an hour: the total if all have a price, a lower bound if not."""
    return sum(item.hourly for item in cost.line_items if item.hourly is not None)


def why_unpriced(cost: Cost) -> str:
    """What has no price, in one line; each line item says why in its `reason`."""
    names = ", ".join(item.name for item in cost.line_items if item.hourly is None)
    return f"no price in {cost.region} in the {cost.source} of {cost.prices_as_of} for {names}"


def _line_item(billed: Quantity, region: str, source: PriceSource, usage: Usage) -> LineItem:
    name, category, quantity, unit = billed.name, billed.category, billed.quantity, billed.unit
    price = source.price(billed.resource, region, usage if billed.discounted else ON_DEMAND)
    if isinstance(price, Unpriced):
        return LineItem(
            name=name,
            category=category,
            sku=None,
            quantity=quantity,
            unit=unit,
            unit_price=None,
            hourly=None,
            reason=price.reason,
        )
    if price.unit != unit:
        raise ValueError(
            f"{source.name} prices {billed.resource} by the {price.unit}, so {quantity} {unit} cannot be priced"
        )
    hours = HOURS_A_MONTH if unit.endswith("-month") else 1
    return LineItem(
        name=name,
        category=category,
        sku=price.sku,
        sku_id=price.sku_id,
        quantity=quantity,
        unit=unit,
        unit_price=price.unit_price,
        hourly=quantity * price.unit_price / hours,
    )


def _total(items: Iterable[LineItem]) -> float | None:
    hourly = [item.hourly for item in items]
    return None if None in hourly else sum(value for value in hourly if value is not None)
