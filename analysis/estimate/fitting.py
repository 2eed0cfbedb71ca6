"""Fits the results of a benchmark: how fast a core of each machine series is, and how well other series predict it.

The result of a machine type is the speed of a core of its series and CPU model, times what so many cores do together in
this benchmark, which is the same for all series. So series that were measured in other sizes are compared at equal
numbers of cores, and a core counts once, whether it has one vCPU or two. Speeds and errors are natural logarithms.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from statistics import fmean, stdev

import numpy as np

Kind = tuple[str, str]
"""A machine series, and the CPU model that the machine had."""
Launched = Mapping[str, date]
"""By CPU model, when its generation was announced."""
_DAYS_A_YEAR = 365.25


@dataclass(frozen=True)
class Result:
    """The result of a benchmark on one machine of this type, per second."""

    machine_type: str
    series: str
    cpu: str
    cores: int
    per_s: float

    @property
    def kind(self) -> Kind:
        return self.series, self.cpu


class Basis(StrEnum):
    """What the speed of a series is known from, the most certain first."""

    measured = "its own results"
    same_cpu = "other series with its CPU"
    generation = "the year of its CPU"


@dataclass(frozen=True)
class Fit:
    """The speed of a core of each series and CPU model, and what so many cores do together.

    `scatter` is the standard deviation of a single result about these.
    """

    per_core: Mapping[Kind, float]
    by_cores: Mapping[int, float]
    scatter: float

    def predicted(self, cpu: str, basis: Basis, launched: Launched) -> float | None:
        """The speed of a core of a series that is not among the results; None where nothing here predicts it."""
        by_cpu = of_cpus(self.per_core)
        if basis is Basis.same_cpu:
            return by_cpu.get(cpu)
        years = [_year(launched[measured_cpu]) for measured_cpu in by_cpu]
        if cpu not in launched or len(set(years)) < 2:
            return None
        slope, start = np.polyfit(years, list(by_cpu.values()), 1)
        return float(start + slope * _year(launched[cpu]))


@dataclass(frozen=True)
class LeftOut:
    """A result, and the logarithm of what other series predict of it."""

    result: Result
    predicted: float

    @property
    def error(self) -> float:
        return math.log(self.result.per_s) - self.predicted


def fit(results: Sequence[Result]) -> Fit:
    """Least squares: a level for each series with a CPU model, and one for each number of cores beside the smallest."""
    kinds = sorted({result.kind for result in results})
    sizes = sorted({result.cores for result in results})
    design = np.zeros((len(results), len(kinds) + len(sizes)))
    for row, result in enumerate(results):
        design[row, kinds.index(result.kind)] = 1
        # The smallest size is what the others are relative to, so its level stays 0.
        design[row, len(kinds) + sizes.index(result.cores)] = result.cores > sizes[0]
    logs = np.log([result.per_s for result in results])
    found, _, rank, _ = np.linalg.lstsq(design, logs, rcond=None)
    residuals = logs - design @ found
    scatter = math.sqrt(float(residuals @ residuals) / max(len(results) - int(rank), 1))
    levels = found.tolist()
    return Fit(
        dict(zip(kinds, levels[: len(kinds)], strict=True)),
        dict(zip(sizes, levels[len(kinds) :], strict=True)),
        scatter,
    )


def of_cpus(per_core: Mapping[Kind, float]) -> dict[str, float]:
    """The mean speed of a core by CPU model, over the series that have it."""
    found: dict[str, list[float]] = defaultdict(list)
    for (_, cpu), speed in per_core.items():
        found[cpu].append(speed)
    return {cpu: fmean(speeds) for cpu, speeds in found.items()}


def left_out(results: Sequence[Result], launched: Launched, basis: Basis) -> Iterator[LeftOut]:
    """Each result, predicted on this basis without its series; by the year, also without others that have its CPU.

    It lacks results that the others cannot predict: of a CPU that no other series has, and of a size that no other
    series was measured in.
    """
    for kind in sorted({result.kind for result in results}):
        series, cpu = kind
        others = [
            result for result in results if result.series != series and (basis is Basis.same_cpu or result.cpu != cpu)
        ]
        rest = fit(others)
        if (predicted := rest.predicted(cpu, basis, launched)) is None:
            continue
        for result in results:
            if result.kind == kind and result.cores in rest.by_cores:
                yield LeftOut(result, predicted + rest.by_cores[result.cores])


def kind_errors(predictions: Iterable[LeftOut]) -> dict[Kind, float]:
    """By series and CPU model, the mean error of its results, which is that of its speed."""
    found: dict[Kind, list[float]] = defaultdict(list)
    for prediction in predictions:
        found[prediction.result.kind].append(prediction.error)
    return {kind: fmean(errors) for kind, errors in found.items()}


def root_mean_square(errors: Iterable[float]) -> float:
    return math.sqrt(fmean(error**2 for error in errors))


def carry_over(one: Fit, other: Fit) -> float:
    """How far two benchmarks differ in the speeds of CPU models: the standard deviation of the ratio of their results.

    A factor that is the same for all CPU models does not count.
    """
    by_one, by_other = of_cpus(one.per_core), of_cpus(other.per_core)
    return stdev(by_other[cpu] - by_one[cpu] for cpu in by_one.keys() & by_other.keys())


def _year(day: date) -> float:
    return day.toordinal() / _DAYS_A_YEAR
