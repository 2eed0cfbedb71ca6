"""The speed of a core of each machine series relative to others, and the error of taking it for that of any model."""

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean, pvariance

from analysis.estimate.benchmarks import FLOAT, QUANTISED, Benchmarks, Workload, newest_benchmarks
from analysis.estimate.fitting import (
    Basis,
    Fit,
    Launched,
    carry_over,
    fit,
    kind_errors,
    left_out,
    root_mean_square,
)
from stacks.machines.machine_series import MachineSeries


@dataclass(frozen=True)
class SeriesSpeed:
    """The speed of a core of a series, as a logarithm that only compares with those of others.

    Standard deviations: `predicted_sd` of predicting it from other series, 0 where it has results; `cpu_sd` of what
    depends on its CPU models: how far the benchmark carries over to another model, and which of several CPUs it gets.
    """

    series: str
    cpus: tuple[str, ...]
    per_core: float
    basis: Basis
    predicted_sd: float
    cpu_sd: float

    def ratio_sd(self, other: "SeriesSpeed") -> float:
        """The standard deviation of the ratio of two speeds, in which what both have in common cancels."""
        if self.series == other.series:
            return 0.0
        predicted_sd = math.hypot(self.predicted_sd, other.predicted_sd)
        return predicted_sd if self.cpus == other.cpus else math.hypot(predicted_sd, self.cpu_sd, other.cpu_sd)


@dataclass(frozen=True)
class Speeds:
    """What a benchmark says of machine series.

    `carry_over` is how far another benchmark differs. `errors` are those of a speed that other series predict, by
    basis; standard deviations, as logarithms.
    """

    fit: Fit
    launched: Launched
    carry_over: float
    errors: Mapping[Basis, float]

    @classmethod
    def of(cls, benchmarks: Benchmarks, workload: Workload = FLOAT) -> "Speeds":
        """From one workload; the other one shows how far it carries over."""
        other = QUANTISED if workload == FLOAT else FLOAT
        results, launched = tuple(benchmarks.results(workload)), benchmarks.launched
        fitted = fit(results)
        errors = {
            basis: root_mean_square(found)
            for basis in (Basis.same_cpu, Basis.generation)
            if (found := kind_errors(left_out(results, launched, basis)).values())
        }
        return cls(fitted, launched, carry_over(fitted, fit(tuple(benchmarks.results(other)))), errors)

    def of_series(self, series: MachineSeries) -> SeriesSpeed | None:
        """The middle of its CPU models, of which it gets one by chance; None where nothing is known of one of them."""
        found = list(self._of_cpus(series))
        if len(found) < len(series.cpus):
            return None
        bases, per_core = [basis for basis, _ in found], [speed for _, speed in found]
        return SeriesSpeed(
            series.name,
            series.cpus,
            fmean(per_core),
            max(bases, key=list(Basis).index),
            math.sqrt(fmean(self.errors.get(basis, 0.0) ** 2 for basis in bases)),
            math.sqrt(self.carry_over**2 + pvariance(per_core)),
        )

    def _of_cpus(self, series: MachineSeries) -> Iterator[tuple[Basis, float]]:
        """On the most certain basis of each, but on none whose error is not known."""
        for cpu in series.cpus:
            if (series.name, cpu) in self.fit.per_core:
                yield Basis.measured, self.fit.per_core[series.name, cpu]
                continue
            predictions = ((basis, self.fit.predicted(cpu, basis, self.launched)) for basis in self.errors)
            yield from [(basis, speed) for basis, speed in predictions if speed is not None][:1]


@functools.cache
def newest_speeds() -> Speeds:
    """From the newest list of results."""
    return Speeds.of(newest_benchmarks())
