"""The configuration of a new stack: for `shapebench init`, and for the stacks that a sweep makes of machine types."""

from typing import Any

from stacks.explain import PREFIX
from stacks.files import ZONE_KEY, project_defaults
from stacks.machines.machine_series import machine_resources

DEFAULT_ZONE = "us-central1-a"
# Runs on this machine are rehearsals, so a wide interval after two minutes is enough.
_SHORT_SEARCH = {"precision": 0.3, "durationS": 120}


def new_config(platform: str, machine_type: str, nodes: int | str, protocol: str = "rest") -> dict[str, Any]:
    """Platform, shape, serving and load by full key; raises UnknownMachineTypeError.

    A server runs as many operations at once as a node has vCPUs.
    """
    values = {
        "platform": platform,
        "shape": {"machineType": machine_type, "nodes": nodes},
        "serving": {"protocol": protocol, "interOp": machine_resources(machine_type)[0]},
        "load": {"profile": "capacity"} | (_SHORT_SEARCH if platform == "local" else {}),
    } | ({"kubernetes": project_defaults()["kubernetes"]} if platform == "kubernetes" else {})
    return {f"{PREFIX}{key}": value for key, value in values.items()}


def zone_config(zone: str) -> dict[str, str]:
    """The keys of the zone of a cluster, such as us-central1-a, and of its region, which has the prices."""
    return {ZONE_KEY: zone, f"{PREFIX}region": zone.rpartition("-")[0]}
