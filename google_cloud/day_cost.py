"""What a thing that is left over costs a day, as far as the price list and Google's account of it say."""

from analysis.pricing.cost import CLUSTER_FEE, HOURS_A_DAY, Quantity, priced, serving_nodes
from analysis.results.manifest import Category
from google_cloud.inventory import Found, node_pools
from google_cloud.kinds import ACCOUNT, CLUSTER, DISK, FIREWALL, GRANT, INSTANCE_GROUP, NETWORK, ROUTE, SUBNETWORK

# https://cloud.google.com/vpc/network-pricing lists none of these.
_FREE = (SUBNETWORK, NETWORK, ACCOUNT, FIREWALL, ROUTE, INSTANCE_GROUP, GRANT)


def usd_a_day(found: Found) -> float | None:
    """At the newest list's prices; None where it is not known, which is not the same as nothing."""
    if found.kind in _FREE:
        return 0.0
    try:
        quantities = _quantities(found)
    except (KeyError, TypeError, ValueError):
        return None
    if not quantities:
        return None
    hourly = priced(quantities, _region(found.location)).hourly
    return None if hourly is None else hourly * HOURS_A_DAY


def _quantities(found: Found) -> tuple[Quantity, ...]:
    if found.kind == DISK:
        kind = str(found.document["type"]).rpartition("/")[2]
        return (Quantity("disk", float(found.document["sizeGb"]), "GB-month", kind, Category.boot_disks),)
    if found.kind == CLUSTER:
        return (CLUSTER_FEE, *(item for pool in node_pools(found.document) for item in serving_nodes(pool)))
    return ()


def _region(location: str) -> str:
    """Of a zone its region; a region is its own."""
    return location if location.count("-") < 2 else location.rpartition("-")[0]
