"""Builds resources in the form of Google's APIs, by service and path, for GoogleStandIn to list."""

from datetime import UTC, datetime, timedelta
from typing import Any

from stacks.names import as_description, stack_labels
from tests.support.google_stand_in import PROJECT, REGION, ZONE

Json = dict[str, Any]
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
COMPUTE, CLUSTERS = f"compute/projects/{PROJECT}", f"container/projects/{PROJECT}/locations/{ZONE}/clusters"
ACCOUNTS = f"iam/projects/{PROJECT}/serviceAccounts"


def labels(stack: str = "8cpu-16gb", left: timedelta = -DAY) -> dict[str, str]:
    return stack_labels(stack, "876bcdc", (NOW + left).strftime("%Y-%m-%dT%H:%M:%SZ"))


def when(age: timedelta) -> str:
    return (NOW - age).isoformat()


def cluster(name: str, its_labels: dict[str, str], status: str = "RUNNING", **more: Any) -> dict[str, Json]:
    pools = [
        {"name": "load", "initialNodeCount": 1, "config": {"machineType": "e2-standard-4"}},
        {"name": "serving", "initialNodeCount": 2, "config": {"machineType": "e2-custom-8-16384"}},
    ]
    document = {"name": name, "location": ZONE, "status": status, "resourceLabels": its_labels, "nodePools": pools}
    return {f"{CLUSTERS}/{name}": document | {"createTime": when(5 * DAY)} | more}


def disk(name: str, its_labels: dict[str, str], **more: Any) -> dict[str, Json]:
    kind = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/zones/{ZONE}/diskTypes/pd-balanced"
    document = {"name": name, "labels": its_labels, "sizeGb": "20", "type": kind, "creationTimestamp": when(5 * DAY)}
    return {f"{COMPUTE}/zones/{ZONE}/disks/{name}": document | more}


def bucket(name: str, its_labels: dict[str, str], *objects: str) -> dict[str, Json]:
    in_bucket = {
        f"storage/b/{name}/o/{object_name}": {"name": object_name, "generation": "1"} for object_name in objects
    }
    document = {"name": name, "labels": its_labels, "location": "US-CENTRAL1", "timeCreated": when(5 * DAY)}
    return {f"storage/b/{name}": document} | in_bucket


def network(its_labels: dict[str, str], suffix: str = "1a2b3c4", **more: Any) -> dict[str, Json]:
    """A network with its subnetwork and router, each holding the network."""
    document = {"description": as_description(its_labels), "creationTimestamp": when(5 * DAY)} | more
    vpc, subnet, router = (f"gke-network-{kind}-{suffix}" for kind in ("vpc", "subnet", "router"))
    path = f"{COMPUTE}/global/networks/{vpc}"
    return {
        path: {"name": vpc} | document,
        f"{COMPUTE}/regions/{REGION}/subnetworks/{subnet}": {"name": subnet, "holds": [path]} | document,
        f"{COMPUTE}/regions/{REGION}/routers/{router}": {"name": router, "holds": [path]} | document,
    }


def created_by_gke(vpc: str, cluster: str = "gke-cluster-control-plane-1a2b3c4") -> dict[str, Json]:
    """What GKE creates for this cluster in this network: firewall rule, instance group and instance."""
    path = f"{COMPUTE}/global/networks/{vpc}"
    link = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/global/networks/{vpc}"
    document = {"network": link, "creationTimestamp": when(5 * DAY), "holds": [path]}
    rule = f"gke-{cluster}-0123abcd-vms"
    group, machine = (f"gke-{cluster[:20]}-load-0123abcd-{end}" for end in ("grp", "x1y2"))
    zone = f"{COMPUTE}/zones/{ZONE}"
    interface = {
        "networkInterfaces": [{"network": link}],
        "labels": {"goog-k8s-cluster-name": cluster},
        "holds": [path],
    }
    return {
        f"{COMPUTE}/global/firewalls/{rule}": {"name": rule} | document,
        f"{zone}/instanceGroups/{group}": {"name": group} | document,
        # Deleting it deletes group and instance.
        f"{zone}/instanceGroupManagers/{group}": {
            "name": group,
            "deletes_along": [f"{zone}/instanceGroups/{group}", f"{zone}/instances/{machine}"],
        },
        f"{zone}/instances/{machine}": {"name": machine, "creationTimestamp": when(5 * DAY)} | interface,
    }


def account(name: str, its_labels: dict[str, str]) -> dict[str, Json]:
    email = f"{name}@{PROJECT}.iam.gserviceaccount.com"
    return {f"{ACCOUNTS}/{email}": {"email": email, "description": as_description(its_labels)}}


def whole_stack(stack: str, left: timedelta) -> dict[str, Json]:
    """One resource or more of every kind that a stack creates."""
    its = labels(stack, left)
    suffix = f"{sum(map(ord, stack)):07x}"
    nodes = network(its, suffix)
    subnet = next(path for path in nodes if "/subnetworks/" in path)
    return (
        cluster(f"gke-cluster-control-plane-{suffix}", its, holds=[subnet])
        | nodes
        | bucket(
            f"gke-models-bucket-{suffix}",
            its,
            "d1/resnet/1/saved_model.pb",
            "d1/resnet/1/variables/variables.index",
            "x",
        )
        | account(f"shapebench-{stack}-nodes", its)
        | account(f"shapebench-{stack}-model", its)
        | disk(f"boot-{stack}", its)
    )
