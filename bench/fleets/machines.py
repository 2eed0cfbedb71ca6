"""Simulated sweeps of 40 machine types, of which one benchmark is known beforehand. Nothing is tuned on this file.

The truth is from elsewhere: the other benchmark of the public list, or a mixture of both, or as far on the other side
of it; the known speeds, each times a factor of its CPU, of which some are large; or speeds that are dealt to the CPUs
anew, so that the list says nothing. A stack of a series with several CPUs gets one of them by chance, and machine types
and sizes differ by more than is assumed.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from analysis.estimate.benchmarks import FLOAT, QUANTISED, newest_benchmarks
from analysis.estimate.fitting import Kind, fit
from analysis.pricing.stack_cost import kept_cost
from bench.fleets.sweeps import LASTS_S, LOAD_NODE_USD_HOURLY, candidate
from stacks.machines.machine_series import ALL_SERIES
from stacks.machines.shapes import NodeShape, ShapeSettings, shape_name
from stacks.new_stack import DEFAULT_ZONE
from sweep.prior import priors_of
from sweep.settings import SweepSettings
from sweep.simulation.world import SimulatedStack, Spread, World

STACKS = 40
TRUTHS = ("another benchmark", "another model", "speeds dealt anew")
_VCPUS, _SIZES = 16, (2, 4, 8, 16)
_REGION = DEFAULT_ZONE.rpartition("-")[0]
_OF_CPU, _OF_TYPE, _OF_SIZE = 0.25, 0.05, 0.07
_TAILS = 4
Rng = np.random.Generator


@dataclass(frozen=True)
class MachineSweep:
    """A sweep with what is known beforehand, and its world."""

    truth: str
    settings: SweepSettings
    world: World

    @property
    def unknowing(self) -> SweepSettings:
        """The same sweep with nothing known beforehand."""
        return self.settings.model_copy(update={"priors": {}})

    def cost(self, key: str) -> float:
        """What a candidate costs in truth, in a unit of its own."""
        stack = next(each.stack for each in self.settings.candidates if each.key == key)
        return self.world.stacks[stack].usd_hourly / self.world.capacity_rps[key]


def machine_sweep(seed: int, within: float) -> MachineSweep:
    """The same seed gives the same."""
    rng, every = np.random.default_rng(seed), offered()
    truth = TRUTHS[seed % len(TRUTHS)]
    drawn = [every[at] for at in rng.permutation(len(every))[:STACKS]]
    priors = priors_of({shape.name: (shape, usd_hourly) for shape, usd_hourly in drawn})
    shapes = {shape.name: shape for shape, _ in drawn}
    candidates = {shape.name: candidate(shape.name, inter_op=8) for shape, _ in drawn}
    settings = SweepSettings(candidates=tuple(candidates.values()), within=within, seed=seed, priors=priors)
    log_rps = _log_rps(shapes, truth, rng)
    stacks = {shape.name: SimulatedStack(usd, usd + LOAD_NODE_USD_HOURLY, *LASTS_S) for shape, usd in drawn}
    capacity_rps = {candidates[stack].key: float(np.exp(log_rps[stack])) for stack in candidates}
    return MachineSweep(truth, settings, World(stacks, capacity_rps, Spread(float(rng.uniform(0.02, 0.05))), seed=seed))


@cache
def offered() -> list[tuple[NodeShape, float]]:
    """The shapes of so many vCPUs that have a price and a CPU with results, with their hourly USD."""
    found = []
    for series in ALL_SERIES:
        for machine_type, (vcpus, _) in series.types.items() if series.has_server_image else ():
            if vcpus not in _SIZES:
                continue
            nodes = _VCPUS // vcpus
            shape = NodeShape.of(shape_name(nodes, machine_type), ShapeSettings(machine_type=machine_type, nodes=nodes))
            usd_hourly = kept_cost("gke", shape, _REGION, 0).hourly
            if usd_hourly and priors_of({shape.name: (shape, usd_hourly)}):
                found.append((shape, usd_hourly))
    return found


def _log_rps(shapes: dict[str, NodeShape], truth: str, rng: Rng) -> dict[str, float]:
    speeds = _speeds(truth, rng)
    sizes = {vcpus: rng.normal(0, _OF_SIZE) for vcpus in _SIZES}
    usual = float(np.mean(list(speeds.values())))
    found = {}
    for name, shape in shapes.items():
        kinds = [(shape.series.name, cpu) for cpu in shape.series.cpus]
        speed = speeds.get(kinds[int(rng.integers(len(kinds)))], usual)
        own = _OF_TYPE * rng.standard_t(_TAILS)
        found[name] = float(np.log(70 * shape.nodes * shape.cores / 8) + speed - usual + sizes[shape.vcpus] + own)
    return found


def _speeds(truth: str, rng: Rng) -> dict[Kind, float]:
    """The logarithm of the speed of a core, by series and CPU."""
    known, other = (fit(tuple(newest_benchmarks().results(each))).per_core for each in (FLOAT, QUANTISED))
    if truth == TRUTHS[0]:
        share = rng.uniform(0.5, 1.5)
        return {kind: (1 - share) * speed + share * other[kind] for kind, speed in known.items()}
    cpus = sorted({cpu for _, cpu in known})
    if truth == TRUTHS[1]:
        factors = dict(zip(cpus, _OF_CPU * rng.standard_t(_TAILS, len(cpus)), strict=True))
        return {kind: speed + factors[kind[1]] for kind, speed in known.items()}
    dealt = dict(zip(cpus, _shuffled(cpus, rng), strict=True))
    of_cpu = {cpu: speed for (_, cpu), speed in known.items()}
    return {kind: of_cpu[dealt[kind[1]]] for kind in known}


def _shuffled(cpus: list[str], rng: Rng) -> list[str]:
    return [cpus[at] for at in rng.permutation(len(cpus))]
