"""The simulated fleets that `make bench-sweep` grades sweeps with. Nothing is tuned on this file.

The fifteen variants of the published experiment: four shapes with three thread settings each, and batching three times
on the shape with much memory. Prices are those of `shapebench price`, 2026-11-24; a stack takes 20 minutes to create
and as many to destroy (docs/gke-quick-start.md).
"""

import itertools
from dataclasses import dataclass

import numpy as np

from stacks.load.load_profiles import PROFILES, CapacitySearch
from stacks.server.serving_variant import Batching, ServingSettings
from sweep.candidates import Candidate
from sweep.simulation.world import SimulatedStack, Spread, World

_LOAD = PROFILES["capacity"]
LOAD_NODE_USD_HOURLY = 0.138
# To create a stack, to update and to destroy it.
UPDATE_S = 120.0
LASTS_S = (1200.0, UPDATE_S, 1200.0)
_USD_HOURLY = {"2cpu-4gb": 0.603, "4cpu-8gb": 0.587, "8cpu-16gb": 0.578, "8cpu-64gb": 0.837}
_LARGE = "8cpu-64gb"
STACKS = {stack: SimulatedStack(usd, usd + LOAD_NODE_USD_HOURLY, *LASTS_S) for stack, usd in _USD_HOURLY.items()}

# Spread between deployments: 2 to 5 % (standard deviation).
_SPREAD = (0.02, 0.05)


@dataclass(frozen=True)
class Truth:
    """How capacities differ between fleets: standard deviations of logarithms, for shapes and within a shape.

    `per_doubling` is what nodes of twice the size are better by.
    """

    name: str
    shapes: float
    variants: float
    per_doubling: float = 0.0


TRUTHS = (
    Truth("far apart", 0.25, 0.15),
    Truth("larger nodes better", 0.03, 0.10, per_doubling=0.08),
    Truth("close", 0.08, 0.05),
)


def published() -> tuple[Candidate, ...]:
    """The fifteen variants."""
    plain = [candidate(stack, inter_op) for stack in STACKS for inter_op in (2, 4, 8)]
    batched = [candidate(_LARGE, inter_op, 128) for inter_op in (2, 4, 8)]
    return (*plain, *batched)


def many() -> tuple[Candidate, ...]:
    """720 variants: the four shapes with 20 pairs of threads and nine settings of batching."""
    threads = list(itertools.product((1, 2, 4, 8), (1, 2, 4, 8, 16)))
    batches = (None, 2, 4, 8, 16, 32, 64, 96, 128)
    return tuple(
        candidate(stack, inter_op, batch, intra_op)
        for stack in STACKS
        for intra_op, inter_op in threads
        for batch in batches
    )


def fleet(candidates: tuple[Candidate, ...], truth: Truth, seed: int) -> World:
    """A fleet with capacities of its own; the same seed gives the same."""
    rng = np.random.default_rng(seed)
    of_shape = {stack: rng.normal(truth.per_doubling * np.log2(_vcpus(stack) / 2), truth.shapes) for stack in STACKS}
    of_shape[_LARGE] = of_shape["8cpu-16gb"] + rng.normal(0, 0.03)
    log_rps = {each.key: np.log(70) + of_shape[each.stack] + rng.normal(0, truth.variants) for each in candidates}
    spread = Spread(deployments=float(rng.uniform(*_SPREAD)))
    return World(STACKS, {key: float(np.exp(each)) for key, each in log_rps.items()}, spread, seed=seed)


def _vcpus(stack: str) -> int:
    return int(stack.partition("cpu")[0])


def candidate(stack: str, inter_op: int, batch: int | None = None, intra_op: int | None = None) -> Candidate:
    """A variant of a stack, for the profile `capacity`."""
    batching = (
        None
        if batch is None
        else Batching(max_batch_size=batch, batch_timeout_micros=0, max_enqueued_batches=2, num_batch_threads=2)
    )
    assert isinstance(_LOAD, CapacitySearch)
    label = f"{stack}, intra_op {intra_op or 'default'}, inter_op {inter_op}, batch {batch or 'none'}"
    serving = ServingSettings(protocol="rest", intra_op=intra_op, inter_op=inter_op, batching=batching)
    return Candidate(label=label, stack=stack, serving=serving, server=None, load=_LOAD)
