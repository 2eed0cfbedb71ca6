"""The figures of variants in a closed loop, all under one load: the reproduction of the published experiment.

They hold at this load only. Below saturation all variants answer at nearly the same rate, so the cost compares prices.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.comparability import ALL_CONDITIONS, largest_group
from analysis.interval import Interval
from analysis.results.schema.manifest import Manifest
from analysis.statistics.estimate import Price
from analysis.statistics.read import Read
from analysis.statistics.repeats import over_repeats
from analysis.statistics.within import RunFigures
from analysis.verdict.effects import ratio
from analysis.verdict.variants import Variant, variant_key, variants_of

P99 = 0.99


@dataclass(frozen=True)
class AtOneLoad:
    """A variant with its figures over all of its runs at the load."""

    variant: Variant
    goodput_rps: Interval[float]
    p99_ms: Interval[float]
    usd_hourly: float

    @property
    def runs(self) -> int:
        return len(self.variant.manifests)

    @property
    def usd_per_million(self) -> Interval[float]:
        instances = self.variant.newest.serving.model.instances
        return Price(self.usd_hourly, instances).usd_per_million(self.goodput_rps)

    @property
    def figures(self) -> dict[str, Interval[float]]:
        return {
            "usd_per_million_good": self.usd_per_million,
            "goodput_rps": self.goodput_rps,
            "p99_ms": self.p99_ms,
        }


def at_one_load(runs: Iterable[tuple[Manifest, Read]]) -> tuple[AtOneLoad, ...]:
    """The variants with valid runs under the closed loop that most variants ran under, the cheapest first."""
    figures: dict[str, RunFigures] = {}
    closed = []
    for manifest, (found, reasons) in runs:
        if manifest.load.mode != "closed" or reasons or manifest.cost.hourly is None or found is None:
            continue
        if found.quantiles_ms and found.goodput_rps.value:
            figures[manifest.run_id] = found
            closed.append(manifest)
    chosen, _ = largest_group(closed, variant_key, ALL_CONDITIONS)
    variants = [
        _at_one_load(variant, [figures[run.run_id] for run in variant.manifests]) for variant in variants_of(chosen)
    ]
    return tuple(sorted(variants, key=lambda each: (each.usd_per_million.value, each.variant.label)))


def cheapest(variants: tuple[AtOneLoad, ...]) -> tuple[str, ...]:
    """The labels of the cheapest variant, and of those that the data cannot tell from it, all at once."""
    return tuple(
        variant.variant.label
        for variant in variants
        if ratio(variant.usd_per_million, variants[0].usd_per_million, max(1, len(variants) - 1)).low <= 1
    )


def _at_one_load(variant: Variant, runs: list[RunFigures]) -> AtOneLoad:
    usd_hourly = variant.newest.cost.hourly
    assert usd_hourly is not None  # a run without a price is not of these
    return AtOneLoad(
        variant,
        over_repeats([run.goodput_rps for run in runs]),
        over_repeats([run.quantiles_ms[P99] for run in runs]),
        usd_hourly,
    )
