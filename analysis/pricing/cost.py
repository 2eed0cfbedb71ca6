"""The hourly price of a shape as line items, one for each billed resource."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from analysis.pricing import ON_DEMAND, Usage
from analysis.pricing.snapshot import Snapshot, newest_snapshot
from analysis.results.schema.manifest import SERVING_NODES, Category, Cost, LineItem
from stacks.machines.gke import BOOT_DISK_GB
from stacks.machines.machine_series import BootDisk, is_custom
from stacks.machines.shapes import NodeShape

DEFAULT_REGION = "us-central1"
HOURS_A_DAY = 24
HOURS_A_MONTH = 730


class Quantity(NamedTuple):
    """A billed resource: how much of it in the price list's unit, what it is called there, and what it belongs to.

    `discounted` is what spot machines and commitments make cheaper: vCPUs and memory, nothing else. `included` is what
    the price of something else covers, so nothing is due where that is all there is.
    """

    name: str
    quantity: float
    unit: str
    resource: str
    category: Category
    discounted: bool = False
    included: str | None = None


CLUSTER_FEE = Quantity("cluster fee", 1, "cluster-hour", "gke-zonal-cluster", Category.management_fee)


@dataclass(frozen=True)
class Sum:
    """A sum of line items, and which ones."""

    name: str
    counts: str
    hourly: float | None


def estimate(
    shape: NodeShape, region: str = DEFAULT_REGION, source: Snapshot | None = None, usage: Usage = ON_DEMAND
) -> Cost:
    """The cost of serving on this shape: vCPUs, memory and boot disks of the nodes, and the cluster fee."""
    return priced((*serving_nodes(shape), CLUSTER_FEE), region, source, usage)


def serving_nodes(shape: NodeShape) -> tuple[Quantity, ...]:
    return node_quantities(SERVING_NODES, shape, Category.serving_nodes, Category.boot_disks)


def node_quantities(prefix: str, shape: NodeShape, machines: Category, disks: Category) -> tuple[Quantity, ...]:
    """The billed resources of nodes. vCPUs and memory have SKUs by machine series, and others for custom types."""
    sku = f"{shape.series.name}-custom" if is_custom(shape.machine_type) else shape.series.name
    vcpus, memory_gb, disks_gb = (shape.nodes * per_node for per_node in (shape.vcpus, shape.memory_gb, BOOT_DISK_GB))
    return (
        Quantity(f"{prefix}vCPUs", vcpus, "vCPU-hour", f"{sku}-core", machines, discounted=True),
        Quantity(f"{prefix}memory", memory_gb, "GB-hour", f"{sku}-memory", machines, discounted=True),
        Quantity(f"{prefix}boot disks", disks_gb, "GB-month", shape.disk.name, disks),
        *(
            Quantity(f"{prefix}boot disk {what}", 0, f"{unit}-month", f"{shape.disk.name}-{sku}", disks, included=said)
            for what, unit, sku, said in _declared(shape.disk)
        ),
    )


def _declared(disk: BootDisk) -> Iterator[tuple[str, str, str, str]]:
    """Performance that is billed beyond what the capacity's price includes; no more than that is declared."""
    for what, unit, sku, amount in (
        ("IOPS", "IOPS", "iops", disk.iops),
        ("throughput", "MiB/s", "throughput", disk.throughput_mib_s),
    ):
        if amount is not None:
            yield what, unit, sku, f"{amount:,} {unit} a disk are included in the price of its capacity"


def priced(
    quantities: Iterable[Quantity], region: str, source: Snapshot | None = None, usage: Usage = ON_DEMAND
) -> Cost:
    """A line item for each quantity, at the prices of a region; `usage` is how the machines are bought."""
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
    """The vCPUs and memory of the serving nodes, by which the published experiment compares shapes."""
    return _total(item for item in cost.line_items if item.category is Category.serving_nodes)


def with_free_tier(cost: Cost) -> float | None:
    """The total without the cluster fee, which the monthly credit of a billing account covers for one zonal cluster."""
    return _total(item for item in cost.line_items if item.category is not Category.management_fee)


def sums(cost: Cost) -> list[Sum]:
    """The total and the other sums that are compared; with a line item that has no price, only the lower bound."""
    if cost.hourly is None:
        return [Sum("at least", why_unpriced(cost), at_least(cost))]
    return [
        Sum("total", "all of the above", cost.hourly),
        Sum("with free tier", "a monthly credit covers the fee of one zonal cluster", with_free_tier(cost)),
        Sum("nodes only", "vCPUs and memory, as the published experiment compares shapes", nodes_hourly(cost)),
    ]


def at_least(cost: Cost) -> float:
    """The sum of the line items that have a price, per hour: a lower bound of the total."""
    return sum(item.hourly for item in cost.line_items if item.hourly is not None)


def why_unpriced(cost: Cost) -> str:
    """The names of the line items without a price; each has a `reason`."""
    names = ", ".join(item.name for item in cost.line_items if item.hourly is None)
    where = f"the {cost.source} of {cost.prices_as_of}"
    return f"no price is known for {names} in {cost.region}: {where} has none that can be used"


def times(hourly: float | None, hours: float) -> float | None:
    """The price of so many hours; None where something has no price."""
    return None if hourly is None else hourly * hours


def hours_of(unit: str) -> int:
    """How many hours a quantity in this unit is for, such as that of a GB-month."""
    return HOURS_A_MONTH if unit.endswith("-month") else 1


def _line_item(billed: Quantity, region: str, source: Snapshot, usage: Usage) -> LineItem:
    name, category, quantity, unit = billed.name, billed.category, billed.quantity, billed.unit
    if billed.included and quantity == 0:
        return LineItem(name=name, category=category, quantity=0, unit=unit, hourly=0, reason=billed.included)
    price = source.price(billed.resource, region, usage if billed.discounted else ON_DEMAND)
    if isinstance(price, str):
        return LineItem(name=name, category=category, quantity=quantity, unit=unit, reason=price)
    if price.unit != unit:
        raise ValueError(
            f"{source.name} prices {billed.resource} by the {price.unit}, so {quantity} {unit} cannot be priced"
        )
    return LineItem(
        name=name,
        category=category,
        sku=price.sku,
        sku_id=price.sku_id,
        source=price.source,
        quantity=quantity,
        unit=unit,
        unit_price=price.unit_price,
        hourly=quantity * price.unit_price / hours_of(unit),
    )


def _total(items: Iterable[LineItem]) -> float | None:
    hourly = [item.hourly for item in items]
    return None if None in hourly else sum(value for value in hourly if value is not None)
