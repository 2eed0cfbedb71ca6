"""The socket of machine series: what sizing, pools, quotas and pricing need to know of one, from a table beside it."""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field, TypeAdapter

TABLE = Path(__file__).with_suffix(".toml")

_STRICT = ConfigDict(extra="forbid")
_STEP_MIB = 256
_CUSTOM = re.compile(r"custom-(?P<vcpus>[1-9]\d{0,4})-(?P<memory_mib>[1-9]\d{0,8})")


class UnknownMachineTypeError(ValueError):
    """The machine type is of no known series, or neither a custom type nor in its series' table."""


@dataclass(frozen=True)
class CustomTypes:
    """Which machine types `<series>-custom-<vCPUs>-<MiB>` Compute Engine has; the memory is a multiple of 256 MiB.

    https://cloud.google.com/compute/docs/instances/creating-instance-with-custom-machine-type, read 2026-11.
    """

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    vcpus: tuple[int, ...]
    mib_a_vcpu: tuple[int, int]
    """The least and the most."""
    most_mib: int
    """The most memory of all vCPUs together."""
    dearer_percent: int
    """What a vCPU or a GB costs more than one of a predefined type."""

    def nearest(self, vcpus: int, memory_mib: int) -> tuple[int, int]:
        """The vCPUs and MiB of a type that exists: these, or what was probably meant, as where GB or MB are given."""
        nearest = min(self.vcpus, key=lambda offered: (abs(offered - vcpus), offered))
        least_mib, most_mib = (nearest * mib_per_vcpu for mib_per_vcpu in self.mib_a_vcpu)
        if memory_mib < least_mib <= memory_mib * 1024 <= most_mib:
            memory_mib *= 1024
        elif memory_mib % _STEP_MIB and memory_mib % 1000 == 0:
            memory_mib = memory_mib // 1000 * 1024
        in_steps = round(memory_mib / _STEP_MIB) * _STEP_MIB
        return nearest, min(max(in_steps, least_mib), most_mib, self.most_mib)


@dataclass(frozen=True)
class BootDisk:
    """A type of boot disk. What is declared of Hyperdisk is what the price of its capacity includes."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: str
    quota: str
    """Google's name of the regional quota of its GB; balanced persistent disks count as SSD."""
    iops: int | None = None
    """None where Google gives them by size, and nothing is declared."""
    throughput_mib_s: int | None = None


@dataclass(frozen=True)
class MachineSeries:
    """A machine series of Compute Engine."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: str
    """How the names of its machine types begin."""
    sku_name: str
    """How the descriptions of its SKUs name it: analysis/pricing/rules.py."""
    cpus: tuple[str, ...]
    """The models that guests were seen on; several where one comes by chance."""
    threads_per_core: Literal[1, 2]
    """VCPUs of one core: 2 with simultaneous multithreading."""
    cpu_quota: str
    """Google's name of the regional quota of its vCPUs."""
    boot_disks: Annotated[tuple[str, ...], Field(min_length=1)]
    """The types that it takes; the first is the one that pools get without `shapebench:shape.bootDisk`."""
    predefined: Mapping[str, Mapping[int, float]]
    """GB by vCPUs of the machine types `<name>-<kind>-<vCPUs>`, by kind."""
    vm_family: str | None = None
    """The dimension of `cpu_quota` beside the region; None where the quota is of this series alone."""
    custom: CustomTypes | None = None
    architecture: Literal["amd64", "arm64"] = "amd64"
    gke_version: str | None = None
    """The least version of GKE; None where every supported version has it."""
    min_cpu_platforms: tuple[str, ...] = ()
    """What `minCpuPlatform` may be; empty where it cannot be chosen."""
    sustained_use_percent: int = 0
    """What Google takes off at most if a machine runs all month."""

    @property
    def title(self) -> str:
        """Google's name of it, such as N4D."""
        return self.name.upper()

    @property
    def has_server_image(self) -> bool:
        """Whether the server's images run on it."""
        return self.architecture == "amd64"

    @cached_property
    def types(self) -> Mapping[str, tuple[int, float]]:
        """VCPUs and memory in GB of its predefined machine types, by full name."""
        return {
            f"{self.name}-{kind}-{vcpus}": (vcpus, memory_gb)
            for kind, sizes in self.predefined.items()
            for vcpus, memory_gb in sizes.items()
        }

    def resources(self, machine_type: str) -> tuple[int, float] | None:
        """VCPUs and memory in GB of one of its machine types; None where it has no such type."""
        if self.custom and (size := self._custom_size(machine_type)):
            return (size[0], size[1] / 1024) if self.custom.nearest(*size) == size else None
        return self.types.get(machine_type)

    def near(self, machine_type: str) -> str | None:
        """The type that was probably meant; None where the name is not like that of one."""
        if size := self._custom_size(machine_type):
            if self.custom is None:
                return None
            vcpus, memory_mib = self.custom.nearest(*size)
            return f"{self.name}-custom-{vcpus}-{memory_mib}"
        kind, _, vcpus_text = machine_type.removeprefix(f"{self.name}-").rpartition("-")
        if kind in self.predefined and vcpus_text.isdecimal():
            return (
                f"{self.name}-{kind}-{min(self.predefined[kind], key=lambda offered: abs(offered - int(vcpus_text)))}"
            )
        return next(iter(difflib.get_close_matches(machine_type, self.types, n=1)), None)

    def said_sizes(self) -> Iterator[str]:
        """Which machine types it has, in phrases."""
        kinds: dict[tuple[int, ...], list[str]] = {}
        for kind, sizes in self.predefined.items():
            kinds.setdefault(tuple(sizes), []).append(f"{self.name}-{kind}-<vCPUs>")
        for all_vcpus, names in kinds.items():
            yield f"{' and '.join(names)} {'has' if len(names) == 1 else 'have'} {', '.join(map(str, all_vcpus))} vCPUs"
        if self.custom:
            vcpus, (least_mib, most_mib) = self.custom.vcpus, self.custom.mib_a_vcpu
            yield (
                f"{self.name}-custom-<vCPUs>-<MiB> has {vcpus[0]}, {vcpus[1]}, … or {vcpus[-1]} vCPUs, and {least_mib}"
                f" to {most_mib} MiB for each of them, in all a multiple of {_STEP_MIB} and at most"
                f" {self.custom.most_mib}"
            )

    def _custom_size(self, machine_type: str) -> tuple[int, int] | None:
        match = _CUSTOM.fullmatch(machine_type.removeprefix(f"{self.name}-"))
        return (int(match["vcpus"]), int(match["memory_mib"])) if match else None


def read_table(text: str) -> tuple[Mapping[str, BootDisk], tuple[MachineSeries, ...]]:
    """The disks and series in the text of a table; raises ValueError where it is not one."""
    table = tomllib.loads(text)
    disks, series = ([{"name": name} | row for name, row in table[section].items()] for section in ("disks", "series"))
    return (
        {disk.name: disk for disk in TypeAdapter(list[BootDisk]).validate_python(disks)},
        tuple(TypeAdapter(list[MachineSeries]).validate_python(series)),
    )


BOOT_DISKS, ALL_SERIES = read_table(TABLE.read_text(encoding="utf-8"))


def machine_series(machine_type: str) -> MachineSeries:
    """The series of a machine type; raises UnknownMachineTypeError, which says where a series is added."""
    for series in ALL_SERIES:
        if machine_type.startswith(f"{series.name}-"):
            return series
    raise UnknownMachineTypeError(
        f"'{machine_type}' is of no machine series that shapebench knows, so nothing could be sized or priced; use a"
        f" type of {', '.join(series.name for series in ALL_SERIES)}, or add the series to stacks/machines/{TABLE.name}"
    )


def machine_resources(machine_type: str) -> tuple[int, float]:
    """The vCPUs and the memory in GB of one machine; raises UnknownMachineTypeError, which says what the series has."""
    series = machine_series(machine_type)
    if resources := series.resources(machine_type):
        return resources
    meant = f" did you mean {near}?" if (near := series.near(machine_type)) else ""
    raise UnknownMachineTypeError(
        f"'{machine_type}' is no machine type of {series.title} that shapebench knows, so nothing could be sized or"
        f" priced;{meant} {'; '.join(series.said_sizes())}. Others are added in stacks/machines/{TABLE.name}"
    )


def is_custom(machine_type: str) -> bool:
    """Whether it is one of the custom types of its series."""
    return machine_type.split("-")[1:2] == ["custom"]


def runnable(machine_type: str) -> str:
    """The machine type, if the server's images run on it; raises UnknownMachineTypeError otherwise."""
    machine_resources(machine_type)
    series = machine_series(machine_type)
    if not series.has_server_image:
        raise UnknownMachineTypeError(
            f"{machine_type} is {series.architecture}, and there is no server image for {series.architecture}, so no"
            " pod would start (tensorflow/serving issue 1948: the official image is for amd64 only); use a type of"
            f" {', '.join(other.name for other in ALL_SERIES if other.has_server_image)}"
        )
    return machine_type
