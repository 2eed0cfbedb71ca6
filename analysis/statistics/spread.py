"""How much figures differ between repeats, compared with the interval of each run."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev
from typing import Any

from analysis.results.manifest import Manifest
from analysis.statistics.estimate import Estimate, Z
from analysis.statistics.figures import Shown
from analysis.statistics.read import Read
from analysis.statistics.summary import figures
from analysis.statistics.within import RunFigures

# Of the latencies whose spread is computed.
QUANTILES = (0.5, 0.99)


@dataclass(frozen=True)
class Spread:
    """One figure over all repeats. `between` and `within` are standard deviations as shares of the mean.

    `between` is that of the runs' values. `within` is that of the runs' own intervals, None where one has no bound.
    Both are about the same where runs do not differ by more than their intervals.
    """

    figure: str
    lowest: float
    middle: float
    highest: float
    between: float
    within: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "lowest": self.lowest,
            "median": self.middle,
            "highest": self.highest,
            "from_run_to_run": self.between,
            "within_a_run": self.within,
        }


@dataclass(frozen=True)
class Repeats:
    """The valid runs of one group in their order, and the spread of their figures."""

    manifests: tuple[Manifest, ...]
    spreads: tuple[Spread, ...]


def repeats_of(runs: Iterable[tuple[Manifest, Read]]) -> tuple[Repeats, ...]:
    """Every group with at least two valid runs."""
    groups: dict[str, list[tuple[Manifest, RunFigures]]] = defaultdict(list)
    for manifest, (found, reasons) in runs:
        if manifest.repeat is not None and found is not None and not reasons:
            groups[manifest.repeat.group].append((manifest, found))
    return tuple(_repeats(sorted(valid, key=_index)) for valid in groups.values() if len(valid) > 1)


def spread_of(figure: str, runs: Sequence[Estimate]) -> Spread:
    """The spread of a figure over at least two runs."""
    values = [run.value for run in runs]
    mean = fmean(values)
    within = math.sqrt(fmean(((run.high - run.low) / 2 / Z) ** 2 for run in runs))
    return Spread(
        figure=figure,
        lowest=min(values),
        middle=median(values),
        highest=max(values),
        between=stdev(values) / mean if mean else 0.0,
        within=within / mean if mean and math.isfinite(within) else None,
    )


def _repeats(valid: Sequence[tuple[Manifest, RunFigures]]) -> Repeats:
    spreads = []
    for figure in figures(Shown.REPEATS):
        runs = [estimate for _, run in valid if (estimate := figure.estimate(run)) is not None]
        if len(runs) > 1:
            spreads.append(spread_of(figure.name, runs))
    return Repeats(tuple(manifest for manifest, _ in valid), tuple(spreads))


def _index(run: tuple[Manifest, RunFigures]) -> int:
    repeat = run[0].repeat
    return repeat.index if repeat else 0
