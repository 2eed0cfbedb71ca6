"""How much figures differ between repeats, compared with the interval of each run."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from statistics import fmean, median, stdev
from typing import Any

from analysis.comparability import comparison_key
from analysis.interval import Interval
from analysis.results.schema.manifest import Manifest
from analysis.statistics.estimate import Z
from analysis.statistics.figures import Shown
from analysis.statistics.read import Read
from analysis.statistics.summary import figures, quantiles
from analysis.statistics.within import RunFigures

# The quantiles of the latencies whose spread is computed.
QUANTILES = quantiles(Shown.REPEATS)


@dataclass(frozen=True)
class Spread:
    """One figure over all repeats. Standard deviations are shares of the mean.

    `from_run_to_run` is that of the runs' values, `within_a_run` of their own intervals, None where one has no bound.
    Both are about the same where runs do not differ by more than their intervals.
    """

    figure: str
    lowest: float
    median: float
    highest: float
    from_run_to_run: float
    within_a_run: float | None

    def to_dict(self) -> dict[str, Any]:
        values = asdict(self)
        values.pop("figure")
        return values


@dataclass(frozen=True)
class Repeats:
    """The valid runs of one group under the same conditions, in their order, and the spread of their figures."""

    manifests: tuple[Manifest, ...]
    spreads: tuple[Spread, ...]


def repeats_of(runs: Iterable[tuple[Manifest, Read]]) -> tuple[Repeats, ...]:
    groups: dict[object, list[tuple[int, Manifest, RunFigures]]] = defaultdict(list)
    for manifest, (found, reasons) in runs:
        repeat = manifest.repeat
        if repeat is not None and found is not None and not reasons:
            groups[repeat.group, comparison_key(manifest)].append((repeat.index, manifest, found))
    return tuple(_repeats(sorted(valid, key=itemgetter(0))) for valid in groups.values() if len(valid) > 1)


def spread_of(figure: str, runs: Sequence[Interval[float]]) -> Spread:
    values = [run.value for run in runs]
    mean = fmean(values)
    within = math.sqrt(fmean(((run.high - run.low) / 2 / Z) ** 2 for run in runs))
    return Spread(
        figure=figure,
        lowest=min(values),
        median=median(values),
        highest=max(values),
        from_run_to_run=stdev(values) / mean if mean else 0.0,
        within_a_run=within / mean if mean and math.isfinite(within) else None,
    )


def _repeats(valid: Sequence[tuple[int, Manifest, RunFigures]]) -> Repeats:
    spreads = []
    for figure in figures(Shown.REPEATS):
        runs = [estimate for _, _, run in valid if (estimate := figure.estimate(run)) is not None]
        if len(runs) > 1:
            spreads.append(spread_of(figure.name, runs))
    return Repeats(tuple(manifest for _, manifest, _ in valid), tuple(spreads))
