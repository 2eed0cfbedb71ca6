"""The cost of a stack: serving, which a production deployment has too, and the load test."""

from typing import Any

from analysis.pricing import ON_DEMAND, Usage
from analysis.pricing.cost import (
    CLUSTER_FEE,
    HOURS_A_DAY,
    HOURS_A_MONTH,
    Quantity,
    at_least,
    estimate,
    node_quantities,
    nodes_hourly,
    priced,
    serving_nodes,
    times,
    with_free_tier,
)
from analysis.pricing.snapshot import Snapshot
from analysis.results.schema.manifest import Category, Cost
from stacks.machines.shapes import NodeShape
from stacks.server.models import RESNET50

# What a node downloads from the internet: the image of the server or the generator, with room for another one. GKE's
# own images and the model come from Google's network and do not pass the NAT gateway.
PULLED_GB_A_NODE = 1
# A gateway is billed for each machine that uses it, up to this number.
NAT_MACHINES_AT_MOST = 32


def kept_cost(
    platform: str,
    shape: NodeShape,
    region: str,
    uploaded_bytes: float,
    source: Snapshot | None = None,
    usage: Usage = ON_DEMAND,
) -> Cost:
    """The cost of serving in previews, in `shapebench price` and in runs.

    On `gke` it has all resources that the stack declares for serving, with the bytes of the model that it stores. On
    other platforms the stack declares no machine, and is priced as its shape.
    """
    if platform == "gke":
        return serving_cost(shape, region, uploaded_bytes, source, usage)
    return estimate(shape, region, source, usage)


def serving_cost(
    shape: NodeShape,
    region: str,
    uploaded_bytes: float = RESNET50.size_bytes,
    source: Snapshot | None = None,
    usage: Usage = ON_DEMAND,
) -> Cost:
    """The cost without the load test: `analysis.pricing.cost.estimate`, the NAT gateway and the model bucket."""
    return priced(
        (
            *serving_nodes(shape),
            CLUSTER_FEE,
            *_nat(shape.nodes, Category.network),
            Quantity("NAT gateway: address", 1, "address-hour", "nat-address", Category.network),
            Quantity("model bucket", uploaded_bytes / 1e9, "GB-month", "standard-storage", Category.storage),
        ),
        region,
        source,
        usage,
    )


def uploaded_bytes_in(cost: Cost) -> float:
    """What the bucket in a cost holds; where it has none, as off GKE, ResNet50's."""
    buckets = (item.quantity * 1e9 for item in cost.line_items if item.category is Category.storage)
    return next(buckets, RESNET50.size_bytes)


def load_cost(load: NodeShape, region: str, source: Snapshot | None = None) -> Cost:
    test = Category.load_test
    return priced((*node_quantities("load nodes: ", load, test, test), *_nat(load.nodes, test)), region, source)


def run_usd(serving: Cost, test: Cost, run_s: float) -> float | None:
    """The cost of serving and test during a load of `run_s` seconds; None where a line item has no price.

    Creating and destroying the cluster, which take GKE longer than most loads, are not included.
    """
    if serving.hourly is None or test.hourly is None:
        return None
    return (serving.hourly + test.hourly) * run_s / 3600


def cost_output(serving: Cost, test: Cost, run_s: float) -> dict[str, Any]:
    """The output `cost` of a stack, in USD. Line items without a price are named; sums without them are `AtLeast`."""
    return {
        "currency": serving.currency,
        "region": serving.region,
        "pricesAsOf": serving.prices_as_of,
        "serving": _figures(serving)
        | _known(
            monthlyWithFreeTier=times(with_free_tier(serving), HOURS_A_MONTH),
            nodesOnly24h=times(nodes_hourly(serving), HOURS_A_DAY),
        ),
        "test": _figures(test) | _known(eachRun=run_usd(serving, test, run_s)),
        "unpriced": [item.name for cost in (serving, test) for item in cost.line_items if item.hourly is None],
    }


def hourly_sentence(serving: Cost, test: Cost) -> str:
    unpriced = [item.name for cost in (serving, test) for item in cost.line_items if item.hourly is None]
    bound, unknown = ("at least", f"; no price is known for {', '.join(unpriced)}") if unpriced else ("about", "")
    kept, added = at_least(serving), at_least(test)
    return (
        f"until `pulumi destroy` this stack costs {bound} {kept + added:.2f} {serving.currency} an hour:"
        f" {kept:.2f} for serving, {added:.2f} for the load test's nodes (prices of {serving.prices_as_of},"
        f" {serving.region}){unknown}"
    )


def _nat(machines: int, category: Category) -> tuple[Quantity, Quantity]:
    billed = min(machines, NAT_MACHINES_AT_MOST)
    return (
        Quantity("NAT gateway: machines", billed, "VM-hour", "nat-gateway-vm", category),
        Quantity("NAT gateway: images", machines * PULLED_GB_A_NODE, "GB-month", "nat-data", category),
    )


def _figures(cost: Cost) -> dict[str, float]:
    suffix = "AtLeast" if cost.hourly is None else ""
    hourly = at_least(cost)
    return {f"hourly{suffix}": round(hourly, 4), f"monthly{suffix}": round(hourly * HOURS_A_MONTH, 2)}


def _known(**figures: float | None) -> dict[str, float]:
    return {name: round(figure, 2) for name, figure in figures.items() if figure is not None}
