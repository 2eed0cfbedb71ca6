"""Node shapes, and the machine series that they are made of. Infrastructure, quotas and pricing all read this."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from stacks.frozen import Frozen


@dataclass(frozen=True)
class MachineSeries:
    """A machine series of Compute Engine: the facts that sizing, quotas and pricing need."""

    name: str
    """How the names of its machine types begin."""
    predefined: Mapping[str, tuple[int, float]]
    """vCPUs and memory in GB of its other machine types, by the rest of their name."""
    cpu_quota: str
    """Google's name of the regional quota of its vCPUs."""
    sku_name: str
    """How the descriptions of its SKUs name it: analysis/pricing/rules.py."""
    has_custom_types: bool = False
    """Whether it has machine types `<name>-custom-<vCPUs>-<MiB>`."""
    boot_disk_type: str = "pd-balanced"
    disk_quota: str = "SSD_TOTAL_GB"
    """Google's name of the regional quota of such disks; balanced persistent disks count as SSD."""

    def resources(self, machine_type: str) -> tuple[int, float] | None:
        """VCPUs and memory in GB of one of its machine types; None where it has no such type."""
        kind = machine_type.removeprefix(f"{self.name}-")
        if self.has_custom_types and (custom := _CUSTOM.fullmatch(kind)):
            return int(custom["vcpus"]), int(custom["memory_mib"]) / 1024
        return self.predefined.get(kind)


_CUSTOM = re.compile(r"custom-(?P<vcpus>\d+)-(?P<memory_mib>\d+)")

ALL_SERIES = (
    MachineSeries(
        name="e2",
        # Source: the E2 table of https://cloud.google.com/compute/docs/general-purpose-machines, read 2026-11.
        predefined={
            "standard-2": (2, 8.0),
            "standard-4": (4, 16.0),
            "standard-8": (8, 32.0),
            "highmem-8": (8, 64.0),
        },
        # Google's documents do not settle whether E2's vCPUs count as E2_CPUS or as CPUS: ADR 28.
        cpu_quota="E2_CPUS",
        sku_name="E2",
        has_custom_types=True,
    ),
)


class UnknownMachineTypeError(ValueError):
    """The machine type is of no known series, or neither a custom type nor in its series' table."""


def machine_series(machine_type: str) -> MachineSeries:
    """The series of a machine type; raises UnknownMachineTypeError, which says where a series is added."""
    for series in ALL_SERIES:
        if machine_type.startswith(f"{series.name}-"):
            return series
    raise _unknown(machine_type)


def machine_resources(machine_type: str) -> tuple[int, float]:
    """The vCPUs and the memory in GB of one machine.

    Raises UnknownMachineTypeError, which says where a machine type is added.
    """
    resources = machine_series(machine_type).resources(machine_type)
    if resources is None:
        raise _unknown(machine_type)
    return resources


def _unknown(machine_type: str) -> UnknownMachineTypeError:
    custom = (f"{series.name}-custom-<vCPUs>-<MiB>" for series in ALL_SERIES if series.has_custom_types)
    predefined = (f"{series.name}-{kind}" for series in ALL_SERIES for kind in series.predefined)
    return UnknownMachineTypeError(
        f"'{machine_type}' is no machine type that shapebench knows, so nothing could be sized or priced;"
        f" use {', '.join(custom)}, one of {', '.join(predefined)}, or add it to stacks/shapes.py"
    )


class ShapeSettings(Frozen):
    """`shapebench:shape` of a stack file."""

    machine_type: Annotated[
        str, Field(description="The GCE machine type of a serving node, such as e2-custom-8-16384.")
    ]
    nodes: Annotated[int, Field(ge=1, le=64, description="The number of serving nodes. Give 1 to 64.")]

    @model_validator(mode="after")
    def _machine_type_is_known(self) -> Self:
        machine_resources(self.machine_type)
        return self


class NodeShape(Frozen):
    """A machine type with its vCPUs and memory, and the number of serving nodes."""

    name: str
    machine_type: str
    vcpus: int
    memory_gb: float
    nodes: int

    @classmethod
    def of(cls, name: str, settings: ShapeSettings) -> Self:
        """The shape with this name; vCPUs and memory follow from the machine type."""
        vcpus, memory_gb = machine_resources(settings.machine_type)
        return cls(
            name=name, machine_type=settings.machine_type, vcpus=vcpus, memory_gb=memory_gb, nodes=settings.nodes
        )

    @property
    def series(self) -> MachineSeries:
        """The machine series of its nodes."""
        return machine_series(self.machine_type)
