"""The price of a leftover resource per day, from the newest price list."""

from analysis.pricing.cost import CLUSTER_FEE, HOURS_A_DAY, Quantity, priced, serving_nodes
from analysis.results.schema.manifest import Category
from google_cloud.inventory import CloudResource, node_pools
from google_cloud.kinds import ACCOUNT, CLUSTER, DISK, FIREWALL, INSTANCE_GROUP, NETWORK, SUBNETWORK

# https://cloud.google.com/vpc/network-pricing lists none of these.
_FREE = (SUBNETWORK, NETWORK, ACCOUNT, FIREWALL, INSTANCE_GROUP)


def daily_usd(resource: CloudResource) -> float | None:
    """The price of 24 hours in USD; None where it is not known, 0 where the resource is free."""
    if resource.kind in _FREE:
        return 0.0
    try:
        quantities = _quantities(resource)
    except (KeyError, TypeError, ValueError):
        return None
    if not quantities:
        return None
    location = resource.location
    region = location if location.count("-") < 2 else location.rpartition("-")[0]
    hourly = priced(quantities, region).hourly
    return None if hourly is None else hourly * HOURS_A_DAY


def _quantities(resource: CloudResource) -> tuple[Quantity, ...]:
    if resource.kind == DISK:
        kind = str(resource.document["type"]).rpartition("/")[2]
        return (Quantity("disk", float(resource.document["sizeGb"]), "GB-month", kind, Category.boot_disks),)
    if resource.kind == CLUSTER:
        return (CLUSTER_FEE, *(item for pool in node_pools(resource.document) for item in serving_nodes(pool)))
    return ()
