"""Node shapes: what a serving node is, and how many of them a stack has. Infrastructure and pricing both read this."""

import re
from typing import Annotated, Self

from pydantic import Field, model_validator

from stacks.frozen import Frozen

_E2_CUSTOM = re.compile(r"e2-custom-(?P<vcpus>\d+)-(?P<memory_mib>\d+)")

# Predefined machine types: (vCPUs, memory in GB). A custom type carries both in its name and needs no line here.
# Source: the E2 table of https://cloud.google.com/compute/docs/general-purpose-machines, read 2026-11.
_PREDEFINED: dict[str, tuple[int, float]] = {
    "e2-standard-2": (2, 8.0),
    "e2-standard-4": (4, 16.0),
    "e2-standard-8": (8, 32.0),
    "e2-highmem-8": (8, 64.0),
}


class UnknownMachineTypeError(ValueError):
    """The machine type is neither an E2 custom type nor in the table of predefined ones."""


def machine_resources(machine_type: str) -> tuple[int, float]:
    """How many vCPUs and how much memory in GB one machine has.

    Raises UnknownMachineTypeError, which says where a new type is added.
    """
    if machine_type in _PREDEFINED:
        return _PREDEFINED[machine_type]
    if custom := _E2_CUSTOM.fullmatch(machine_type):
        return int(custom["vcpus"]), int(custom["memory_mib"]) / 1024
    raise UnknownMachineTypeError(
        f"'{machine_type}' is no machine type that shapebench knows, so nothing could be sized or priced; "
        f"use e2-custom-<vCPUs>-<MiB>, one of {', '.join(_PREDEFINED)}, or add a line to stacks/shapes.py"
    )


class ShapeSettings(Frozen):
    """`shapebench:shape` of a stack file."""

    machine_type: Annotated[
        str, Field(description="The GCE machine type of a serving node, such as e2-custom-8-16384.")
    ]
    nodes: Annotated[int, Field(ge=1, le=64, description="How many of them serve. Give 1 to 64.")]

    @model_validator(mode="after")
    def _machine_type_is_known(self) -> Self:
        machine_resources(self.machine_type)
        return self


class NodeShape(Frozen):
    """One node shape and how many nodes of it serve the model."""

    name: str
    machine_type: str
    vcpus: int
    memory_gb: float
    nodes: int

    @classmethod
    def of(cls, name: str, settings: ShapeSettings) -> Self:
        """The shape called `name`; vCPUs and memory follow from the machine type."""
        vcpus, memory_gb = machine_resources(settings.machine_type)
        return cls(
            name=name, machine_type=settings.machine_type, vcpus=vcpus, memory_gb=memory_gb, nodes=settings.nodes
        )
