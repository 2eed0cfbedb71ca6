"""Node shapes: a machine type, and how many nodes. Infrastructure, quotas and pricing all read this."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from stacks.frozen import Frozen, is_none
from stacks.machines.machine_series import (
    BOOT_DISKS,
    BootDisk,
    MachineSeries,
    machine_resources,
    machine_series,
    runnable,
)

MachineType = Annotated[str, AfterValidator(runnable)]
"""A machine type that is known, and that the server's images run on."""
MOST_NODES = 64


def shape_name(nodes: int, machine_type: str) -> str:
    """The name of a shape that no stack file names, such as 2xn4-highcpu-8."""
    return f"{nodes}x{machine_type}"


class ShapeSettings(Frozen):
    """`shapebench:shape` of a stack file."""

    machine_type: Annotated[
        MachineType, Field(description="The GCE machine type of a serving node, such as e2-custom-8-16384.")
    ]
    nodes: Annotated[
        int, Field(ge=1, le=MOST_NODES, description=f"The number of serving nodes. Give 1 to {MOST_NODES}.")
    ]
    boot_disk: Annotated[
        str | None,
        Field(description="The type of the nodes' boot disks. Leave it out for the one that the series usually has."),
    ] = None
    min_cpu_platform: Annotated[
        str | None,
        Field(
            description="The oldest CPU platform that a node may have, such as Intel Ice Lake. Leave it out for"
            " Google's choice."
        ),
    ] = None

    @model_validator(mode="after")
    def _the_series_has_it(self) -> Self:
        series = machine_series(self.machine_type)
        if self.boot_disk not in (None, *series.boot_disks):
            raise ValueError(
                f"bootDisk is {self.boot_disk!r}, but {series.title} ({self.machine_type}) takes no such boot disk, so"
                f" Google would refuse the nodes; give {' or '.join(series.boot_disks)}, or leave it out"
            )
        if self.min_cpu_platform not in (None, *series.min_cpu_platforms):
            advice = f"give {' or '.join(series.min_cpu_platforms)}, or " if series.min_cpu_platforms else ""
            raise ValueError(
                f"minCpuPlatform is {self.min_cpu_platform!r}, which {series.title} ({self.machine_type}) does not"
                f" offer, so Google would refuse the nodes; {advice}leave it out"
            )
        return self


class NodeShape(Frozen):
    """A machine type with its vCPUs and memory, and the number of serving nodes.

    `boot_disk` and `min_cpu_platform` are None, and not written, where the stack leaves the choice to the series.
    """

    name: str
    machine_type: str
    vcpus: Annotated[int, Field(ge=1, le=10_000)]
    memory_gb: Annotated[float, Field(gt=0, le=1e6)]
    nodes: Annotated[int, Field(ge=1, le=10_000)]
    boot_disk: Annotated[str | None, Field(exclude_if=is_none)] = None
    min_cpu_platform: Annotated[str | None, Field(exclude_if=is_none)] = None

    @classmethod
    def of(cls, name: str, settings: ShapeSettings) -> Self:
        """The shape with this name; vCPUs and memory follow from the machine type."""
        vcpus, memory_gb = machine_resources(settings.machine_type)
        return cls(name=name, vcpus=vcpus, memory_gb=memory_gb, **settings.model_dump())

    @property
    def series(self) -> MachineSeries:
        """The machine series of its nodes."""
        return machine_series(self.machine_type)

    @property
    def cores(self) -> int:
        """The cores of one node. A core has as many vCPUs as it has threads."""
        return max(1, self.vcpus // self.series.threads_per_core)

    @property
    def disk(self) -> BootDisk:
        """The boot disk of its nodes."""
        return BOOT_DISKS[self.boot_disk or self.series.boot_disks[0]]
