"""The effect of each factor: pairs of variants that differ in that factor alone, and the ratios of their figures."""

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
    """Two variants that differ in one factor."""

    factor: str
    change: str
    before: Ranked
    after: Ranked

    def ratio(self, figure: str, comparisons: int = 1) -> Estimate:
        """A figure of `Ranked.figures`, after divided by before."""
        return ratio(self.after.figures[figure], self.before.figures[figure], comparisons)


@dataclass(frozen=True)
class Factor:
    """A factor: the settings that it may change, the text of its value, and what its values are sorted by.

    Two variants are a pair only where `also_equal` is the same.
    """

    name: str
    settings: frozenset[str]
    text: Callable[[Settings], str]
    order: Callable[[Settings], Any]
    also_equal: Callable[[Settings], Any] = lambda _: None


SHAPE, MEMORY, INTER_OP = "shape", "memory", "inter_op"
FACTORS = (
    Factor(
        SHAPE,
        frozenset({"nodes", "replicas", "vcpus", "memory_gb", "intra_op", "rest_threads"}),
        lambda s: f"{s['nodes']} × {s['vcpus']} vCPUs",
        # From many small nodes to few large ones, with the same vCPUs and memory in all and the same threads per vCPU.
        lambda s: -s["nodes"],
        lambda s: (s["nodes"] * s["vcpus"], s["nodes"] * s["memory_gb"], s["intra_op"] / s["vcpus"]),
    ),
    Factor(MEMORY, frozenset({"memory_gb"}), lambda s: f"{s['memory_gb']:g} GB", lambda s: s["memory_gb"]),
    Factor(INTER_OP, frozenset({"inter_op"}), lambda s: f"inter_op {s['inter_op']}", lambda s: s["inter_op"]),
    Factor("intra_op", frozenset({"intra_op"}), lambda s: f"intra_op {s['intra_op']}", lambda s: s["intra_op"]),
    Factor(
        "batching",
        frozenset({"batching", "rest_threads"}),
        lambda s: _batching(s["batching"]),
        lambda s: s["batching"] is not None,
    ),
    Factor(
        "cpu_limit",
        frozenset({"cpu_limit"}),
        lambda s: "no CPU limit" if s["cpu_limit"] is None else f"CPU limit of {s['cpu_limit']:g} vCPUs",
        lambda s: s["cpu_limit"] or 0,
    ),
    Factor(
        "seed_faithful",
        frozenset({"seed_faithful", "rest_threads"}),
        lambda s: "deployed as published" if s["seed_faithful"] else "with requests, probes and a memory limit",
        lambda s: not s["seed_faithful"],
    ),
    Factor("protocol", frozenset({"protocol"}), lambda s: s["protocol"], lambda s: s["protocol"] == "grpc"),
)


def effects(ranking: Sequence[Ranked]) -> tuple[Effect, ...]:
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
    return Effect(factor.name, f"{factor.text(one)} → {factor.text(other)}", before[0], after[0])


def _settings(each: Ranked) -> Settings:
    newest = each.variant.newest
    serving = newest.serving.model_dump(exclude={"model", "image", "grpc_threads"})
    return newest.shape.model_dump(include={"nodes", "vcpus", "memory_gb"}) | serving | {"stack": newest.stack}


def _batching(batching: dict[str, int] | None) -> str:
    return "no batching" if batching is None else f"batches of up to {batching['max_batch_size']}"
