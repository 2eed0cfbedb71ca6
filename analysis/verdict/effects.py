"""What each factor changed: pairs of variants that differ in that factor alone, and the ratios of their figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from analysis.statistics.estimate import Estimate
from analysis.verdict.compare import ratio
from analysis.verdict.ranking import Ranked

Settings = dict[str, Any]


@dataclass(frozen=True)
class Effect:
    """From one variant to another that differs in one factor: figures of the second as multiples of the first's."""

    factor: str
    change: str
    before: Ranked
    after: Ranked

    def ratio(self, figure: str, comparisons: int = 1) -> Estimate:
        """The ratio of a figure of `Ranked.figures`."""
        return ratio(self.after.figures[figure], self.before.figures[figure], comparisons)


@dataclass(frozen=True)
class Factor:
    """A factor: which settings it may change, how a value of it is written, and in which order values stand."""

    name: str
    settings: frozenset[str]
    written: Callable[[Settings], str]
    order: Callable[[Settings], Any]
    also_equal: Callable[[Settings], Any] = lambda _: None


SHAPE, MEMORY, INTER_OP = "shape", "memory", "inter_op"
FACTORS = (
    Factor(
        SHAPE,
        frozenset({"nodes", "replicas", "vcpus", "memory_gb", "intra_op"}),
        lambda s: f"{s['nodes']} × {s['vcpus']} vCPUs",
        # From many small nodes to few large ones: as many vCPUs and as much memory in all, and as many threads a vCPU.
        lambda s: -s["nodes"],
        lambda s: (s["nodes"] * s["vcpus"], s["nodes"] * s["memory_gb"], s["intra_op"] / s["vcpus"]),
    ),
    Factor(MEMORY, frozenset({"memory_gb"}), lambda s: f"{s['memory_gb']:g} GB", lambda s: s["memory_gb"]),
    Factor(INTER_OP, frozenset({"inter_op"}), lambda s: f"inter_op {s['inter_op']}", lambda s: s["inter_op"]),
    Factor("intra_op", frozenset({"intra_op"}), lambda s: f"intra_op {s['intra_op']}", lambda s: s["intra_op"]),
    Factor(
        "batching", frozenset({"batching"}), lambda s: _batching(s["batching"]), lambda s: s["batching"] is not None
    ),
    Factor("protocol", frozenset({"protocol"}), lambda s: s["protocol"], lambda s: s["protocol"] == "grpc"),
)


def effects(ranking: Sequence[Ranked]) -> tuple[Effect, ...]:
    """Every pair that differs in one factor alone, factor by factor."""
    settings = [(each, _settings(each)) for each in ranking]
    return tuple(
        effect
        for factor in FACTORS
        for pair in combinations(sorted(settings, key=lambda one: (str(one[1]["stack"]), one[0].label)), 2)
        if (effect := _effect(factor, *sorted(pair, key=lambda one: factor.order(one[1]))))
    )


def _effect(factor: Factor, before: tuple[Ranked, Settings], after: tuple[Ranked, Settings]) -> Effect | None:
    one, other = before[1], after[1]
    differs = {name for name in one if name != "stack" and one[name] != other[name]}
    if not differs or not differs <= factor.settings or factor.order(one) == factor.order(other):
        return None
    if factor.also_equal(one) != factor.also_equal(other):
        return None
    return Effect(factor.name, f"{factor.written(one)} → {factor.written(other)}", before[0], after[0])


def _settings(each: Ranked) -> Settings:
    newest = each.variant.newest
    serving = newest.serving.model_dump(exclude={"model", "image"})
    return newest.shape.model_dump(include={"nodes", "vcpus", "memory_gb"}) | serving | {"stack": newest.stack}


def _batching(batching: dict[str, int] | None) -> str:
    return "no batching" if batching is None else f"batches of up to {batching['max_batch_size']}"
