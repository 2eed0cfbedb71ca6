"""A stack that is named after a shape has E2 nodes of that shape."""

import re
from collections.abc import Iterator

from policy.kinds import is_serving_pool
from policy.resource import UNKNOWN, Resource
from stacks.machines.machine_series import UnknownMachineTypeError, machine_resources

_NAMED_AFTER_A_SHAPE = re.compile(r"(?P<vcpus>\d+)cpu-(?P<memory_gb>\d+)gb")


def check(resource: Resource) -> Iterator[str]:
    named = _NAMED_AFTER_A_SHAPE.fullmatch(resource.stack)
    machine_type = resource.get("nodeConfig.machineType")
    if named is None or machine_type is UNKNOWN or not is_serving_pool(resource):
        return
    promised = int(named["vcpus"]), float(named["memory_gb"])
    if _e2_resources(machine_type) != promised:
        yield (
            f"its nodes are {machine_type}, but the stack is called {resource.stack}, so reports and bills would name"
            f" another shape than was measured; use an E2 type with {promised[0]} vCPUs and {promised[1]:g} GB in"
            " shapebench:shape.machineType, or give the stack another name"
        )


def _e2_resources(machine_type: object) -> tuple[int, float] | None:
    """VCPUs and memory in GB; None for a machine type that is not E2 or shares its cores."""
    try:
        return machine_resources(str(machine_type)) if str(machine_type).startswith("e2-") else None
    except UnknownMachineTypeError:
        return None
