"""Node shapes, and the machine series that they are made of. Infrastructure, quotas and pricing all read this."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from stacks.frozen import Frozen


@dataclass(frozen=True)
class CustomTypes:
    """Which machine types `<series>-custom-<vCPUs>-<MiB>` Compute Engine has; the memory is a multiple of 256 MiB.

    Source: https://cloud.google.com/compute/docs/instances/creating-instance-with-custom-machine-type, and as code
    https://cloud.google.com/compute/docs/samples/compute-custom-machine-type-helper-class, read 2026-11.
    """

    vcpus: Sequence[int]
    mib_a_vcpu: tuple[int, int]
    """The least and the most."""
    most_mib: int
    """Of all vCPUs together."""
    dearer_percent: int
    """What a vCPU or a GB costs more than one of a predefined type: https://cloud.google.com/compute/vm-instance-pricing."""

    def nearest(self, vcpus: int, memory_mib: int) -> tuple[int, int]:
        """The vCPUs and MiB of a type that exists: these, or what was probably meant, as where GB or MB are given."""
        nearest = min(self.vcpus, key=lambda each: (abs(each - vcpus), each))
        least_mib, most_mib = (nearest * each for each in self.mib_a_vcpu)
        if memory_mib < least_mib <= memory_mib * 1024 <= most_mib:
            memory_mib *= 1024
        elif memory_mib % _STEP_MIB and memory_mib % 1000 == 0:
            memory_mib = memory_mib // 1000 * 1024
        in_steps = round(memory_mib / _STEP_MIB) * _STEP_MIB
        return nearest, min(max(in_steps, least_mib), most_mib, self.most_mib)


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
    custom: CustomTypes | None = None
    """Its machine types `<name>-custom-<vCPUs>-<MiB>`; None where it has none."""
    boot_disk_type: str = "pd-balanced"
    disk_quota: str = "SSD_TOTAL_GB"
    """Google's name of the regional quota of such disks; balanced persistent disks count as SSD."""
    sustained_use_percent: int = 0
    """What Google takes off at most if a machine runs all month: 20 for N2, N2D and C2, 30 for N1, 0 for the others.

    https://docs.cloud.google.com/compute/docs/sustained-use-discounts, read 2026-11.
    """

    def resources(self, machine_type: str) -> tuple[int, float] | None:
        """VCPUs and memory in GB of one of its machine types; None where it has no such type."""
        kind = machine_type.removeprefix(f"{self.name}-")
        if self.custom and (size := _custom_size(kind)):
            return (size[0], size[1] / 1024) if self.custom.nearest(*size) == size else None
        return self.predefined.get(kind)

    def near(self, machine_type: str) -> str | None:
        """The custom type that was probably meant; None where the name is not that of one."""
        size = _custom_size(machine_type.removeprefix(f"{self.name}-"))
        if self.custom is None or size is None:
            return None
        vcpus, memory_mib = self.custom.nearest(*size)
        return f"{self.name}-custom-{vcpus}-{memory_mib}"


def _custom_size(kind: str) -> tuple[int, int] | None:
    match = _CUSTOM.fullmatch(kind)
    return (int(match["vcpus"]), int(match["memory_mib"])) if match else None


_STEP_MIB = 256
_CUSTOM = re.compile(r"custom-(?P<vcpus>[1-9]\d{0,4})-(?P<memory_mib>[1-9]\d{0,8})")

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
        # At most 128 GB: https://cloud.google.com/compute/docs/general-purpose-machines, E2.
        custom=CustomTypes(vcpus=range(2, 33, 2), mib_a_vcpu=(512, 8192), most_mib=128 * 1024, dearer_percent=5),
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
        raise _no_such_size(machine_type) or _unknown(machine_type)
    return resources


def is_custom(machine_type: str) -> bool:
    """Whether it is one of the custom types of its series."""
    return machine_type.split("-")[1:2] == ["custom"]


def _no_such_size(machine_type: str) -> UnknownMachineTypeError | None:
    """The error for a custom type that Compute Engine does not have; None where it is no custom type."""
    series = machine_series(machine_type)
    near, custom = series.near(machine_type), series.custom
    if near is None or custom is None:
        return None
    least_mib, most_mib = custom.mib_a_vcpu
    return UnknownMachineTypeError(
        f"'{machine_type}' is no machine type of Compute Engine, so nothing could be sized or priced; did you mean"
        f" {near}? {series.name}-custom-<vCPUs>-<MiB> has {custom.vcpus[0]}, {custom.vcpus[1]}, … or {custom.vcpus[-1]}"
        f" vCPUs, and {least_mib} to {most_mib} MiB for each of them, in all a multiple of {_STEP_MIB} and at most"
        f" {custom.most_mib}"
    )


def _unknown(machine_type: str) -> UnknownMachineTypeError:
    custom = (f"{series.name}-custom-<vCPUs>-<MiB>" for series in ALL_SERIES if series.custom)
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
    vcpus: Annotated[int, Field(ge=1, le=10_000)]
    memory_gb: Annotated[float, Field(gt=0, le=1e6)]
    nodes: Annotated[int, Field(ge=1, le=10_000)]

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
