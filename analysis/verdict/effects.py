"""The effect of each factor: pairs of variants that differ in that factor alone, and the ratios of their figures."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol

from scipy.special import ndtri

from analysis.interval import Interval
from analysis.results.schema.manifest import Manifest
from analysis.statistics.estimate import TAIL, Z
from analysis.verdict.variants import Variant
from stacks.machines.machine_series import UnknownMachineTypeError
from stacks.machines.shapes import NodeShape
from stacks.server.protocols import NAMES
from stacks.server.servers import server_title

Settings = dict[str, Any]


class Compared(Protocol):
    """A variant with figures, by the names of `analysis.statistics.summary.FIGURES`: at capacity, or at one load."""

    @property
    def variant(self) -> Variant: ...

    @property
    def figures(self) -> Mapping[str, Interval[float]]: ...

    @property
    def runs(self) -> int: ...


@dataclass(frozen=True)
class Effect:
    """Two variants that differ in one factor."""

    factor: str
    change: str
    before: Compared
    after: Compared

    @property
    def figures(self) -> tuple[str, ...]:
        """The names of the figures that both have."""
        return tuple(name for name in self.before.figures if name in self.after.figures)

    def ratio(self, figure: str, comparisons: int = 1) -> Interval[float]:
        """A figure, after divided by before."""
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


SHAPE, SERIES, MEMORY, INTER_OP = "shape", "series", "memory", "inter_op"
FACTORS = (
    Factor(
        SHAPE,
        frozenset({"nodes", "replicas", "vcpus", "cores", "memory_gb", "intra_op", "rest_threads"}),
        lambda s: f"{s['nodes']} × {s['vcpus']} vCPUs",
        # From many small nodes to few large ones, with the same vCPUs and memory in all and the same threads per vCPU.
        lambda s: -s["nodes"],
        lambda s: (s["nodes"] * s["vcpus"], s["nodes"] * s["memory_gb"], s["intra_op"] / s["vcpus"]),
    ),
    Factor(
        SERIES,
        frozenset({"series", "vcpus", "memory_gb", "intra_op", "rest_threads"}),
        lambda s: s["series"].upper(),
        lambda s: s["series"],
        # As many cores: a vCPU of some series is a core, and of others a thread of one.
        lambda s: (s["nodes"], s["cores"], s["intra_op"] / s["vcpus"]),
    ),
    Factor(
        "server",
        frozenset({"server", "server_version", "server_args", "rest_threads", "computation"}),
        lambda s: _server(s["server"], s["server_args"]),
        lambda s: (s["server"], s["server_args"] or ()),
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
        "one_dnn",
        frozenset({"one_dnn"}),
        lambda s: {None: "oneDNN by default", True: "oneDNN on", False: "oneDNN off"}[s["one_dnn"]],
        lambda s: (False, None, True).index(s["one_dnn"]),
    ),
    Factor(
        "seed_faithful",
        frozenset({"seed_faithful", "rest_threads"}),
        lambda s: "deployed as published" if s["seed_faithful"] else "with requests, probes and a memory limit",
        lambda s: not s["seed_faithful"],
    ),
    Factor("protocol", frozenset({"protocol"}), lambda s: s["protocol"], lambda s: NAMES.index(s["protocol"])),
)


def ratio(of: Interval[float], to: Interval[float], comparisons: int = 1) -> Interval[float]:
    """`of` divided by `to`.

    The squares of both half-widths, on a logarithmic scale, add up (Zou and Donner 2008). The intervals of several
    `comparisons` hold together at 95 % (Bonferroni).
    """
    wider = float(ndtri(1 - TAIL / comparisons)) / Z
    centre = of.value / to.value
    below = wider * math.hypot(of.log_below, to.log_above)
    above = wider * math.hypot(of.log_above, to.log_below)
    return Interval(centre, centre * math.exp(-below), centre * math.exp(above))


def effects(variants: Sequence[Compared]) -> tuple[Effect, ...]:
    settings = [(variant, settings_of(variant.variant.newest)) for variant in variants]
    return tuple(
        effect
        for factor in FACTORS
        for pair in combinations(sorted(settings, key=lambda one: (str(one[1]["stack"]), one[0].variant.label)), 2)
        if (effect := _effect(factor, *sorted(pair, key=lambda one: factor.order(one[1]))))
    )


def _effect(factor: Factor, before: tuple[Compared, Settings], after: tuple[Compared, Settings]) -> Effect | None:
    one, other = before[1], after[1]
    differs = {name for name in one if name != "stack" and one[name] != other[name]}
    if not differs or not differs <= factor.settings or factor.order(one) == factor.order(other):
        return None
    if factor.also_equal(one) != factor.also_equal(other):
        return None
    found = Effect(factor.name, f"{factor.text(one)} → {factor.text(other)}", before[0], after[0])
    return found if found.figures else None


def settings_of(run: Manifest) -> Settings:
    """The settings of a run that a factor may change, and its stack."""
    shape = run.shape.model_dump(include={"nodes", "vcpus", "memory_gb"})
    return shape | _machine(run.shape) | run.serving.settings() | {"stack": run.stack}


def _machine(shape: NodeShape) -> Settings:
    """Series and cores; a machine type that is not known any more is a series of its own."""
    try:
        return {"series": shape.series.name, "cores": shape.cores}
    except UnknownMachineTypeError:
        return {"series": shape.machine_type, "cores": shape.vcpus}


def _server(name: str, arguments: Sequence[str] | None) -> str:
    return server_title(name) if arguments is None else " ".join((server_title(name), *arguments))


def _batching(batching: dict[str, int] | None) -> str:
    return "no batching" if batching is None else f"batches of up to {batching['max_batch_size']}"
