"""Published results of two benchmarks on machine types, as a dated list in the checkout."""

import functools
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import ConfigDict, Field, TypeAdapter

from analysis.estimate.fitting import Result
from stacks.machines.machine_series import machine_resources, machine_series

FOLDER = Path(__file__).with_suffix("")

Workload = Literal["object_detection", "background_blur"]
FLOAT: Workload = "background_blur"
"""The workload that computes in floating point, as the servers here do."""
QUANTISED: Workload = "object_detection"

_STRICT = ConfigDict(extra="forbid")
_Rate = Annotated[float, Field(gt=0)]


class Measured(NamedTuple):
    """One run on one machine, in images per second of the whole machine."""

    machine_type: str
    measured_on: date
    object_detection: _Rate
    background_blur: _Rate


@dataclass(frozen=True)
class Cpu:
    """A CPU model, and the results of the machine types that had it."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    name: str
    """As in stacks/machines/machine_series.toml."""
    launched: date
    """The day on which the maker announced this generation."""
    results: tuple[Measured, ...]


@dataclass(frozen=True)
class Benchmarks:
    """All results of a list. `as_of` is the day of the newest one."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    as_of: date
    source: str
    cpus: tuple[Cpu, ...]

    @property
    def since(self) -> date:
        """The day of the oldest result."""
        return min(result.measured_on for cpu in self.cpus for result in cpu.results)

    @property
    def launched(self) -> Mapping[str, date]:
        """By CPU model, when its generation was announced."""
        return {cpu.name: cpu.launched for cpu in self.cpus}

    def results(self, workload: Workload = FLOAT) -> Iterator[Result]:
        """Those of one workload, with the cores of their machine types."""
        for cpu in self.cpus:
            for result in cpu.results:
                series, (vcpus, _) = machine_series(result.machine_type), machine_resources(result.machine_type)
                cores = vcpus // series.threads_per_core
                yield Result(result.machine_type, series.name, cpu.name, cores, float(getattr(result, workload)))


def read_benchmarks(text: str) -> Benchmarks:
    """The list in the text of a file; raises ValueError where it is not one."""
    return TypeAdapter(Benchmarks).validate_python(tomllib.loads(text))


@functools.cache
def newest_benchmarks() -> Benchmarks:
    """The newest list in the checkout: file names start with the date."""
    newest = max(FOLDER.glob("*.toml"), key=lambda path: path.name)
    return read_benchmarks(newest.read_text(encoding="utf-8"))
