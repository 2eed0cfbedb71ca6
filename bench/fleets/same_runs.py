"""Sweeps of simulated fleets, and what a verdict says of the runs that they left in the results store.

A sweep decides from costs in its journal, a verdict from manifests: both must give one answer. Nothing is tuned on this
file. Stacks whose nodes get their CPU models by chance are not among these: `bench.lottery` has them.
"""

import math
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from analysis.capacity.evidence import Basis, Evidence
from analysis.objective import Objective
from analysis.results.schema.manifest import Manifest, Replica
from analysis.verdict.ranking import Ranked
from analysis.verdict.verdict import Judged, Verdict, verdict_of
from bench.fleets.sweeps import TRUTHS, fleet, published
from bench.stores.synthetic import STARTED_AT, make_manifest
from sweep.candidates import Candidate
from sweep.conductor.snapshot import ObjectiveView, Outcome, Place
from sweep.settings import SweepSettings
from sweep.simulation.cloud import Cloud
from sweep.simulation.run import simulate
from sweep.simulation.world import Faults, Spread, World
from sweep.strategies.create import strategy_of
from sweep.tasks import Measured

_WITHIN = 0.05
# By how much at most the choice is dearer, which the claim rounds.
_CLAIM = re.compile(r"(?:costs at most|may cost up to) (?P<most>[\d.]+) % more than the cheapest")
ROUNDING = 0.005
# Of the candidates, some meet the objective at no rate that is tried.
_INCAPABLE = 0.1
_MACHINES = {"2cpu-4gb": ("n4d-highcpu-2", 8), "4cpu-8gb": ("n4d-highcpu-4", 4), "8cpu-16gb": ("n4d-highcpu-8", 2)}
_MACHINES["8cpu-64gb"] = ("n4d-highmem-8", 2)


@dataclass(frozen=True)
class SweptStore:
    """A sweep that has ended, and each of its runs with the key and the block of its candidate."""

    settings: SweepSettings
    world: World
    outcome: Outcome
    runs: list[tuple[str, int, Measured]]

    @property
    def verdict(self) -> Verdict:
        """On the same runs, from their manifests."""
        return verdict_of(self._judged(), Objective.of_search(self.settings.candidates[0].load))

    def _judged(self) -> Iterator[Judged]:
        candidates = {candidate.key: candidate for candidate in self.settings.candidates}
        for number, (key, block, measured) in enumerate(self.runs):
            manifest = self._manifest(candidates[key], block, number, measured)
            yield Judged(manifest, (), Evidence(manifest.run_id, Basis.search, measured.rps))

    def _manifest(self, candidate: Candidate, block: int, number: int, measured: Measured) -> Manifest:
        machine_type, nodes = _MACHINES[candidate.stack]
        made = make_manifest(candidate.load, candidate.stack, machine_type, nodes)
        stack, serving = self.world.stacks[candidate.stack], candidate.serving
        of_block = block if stack.fresh_nodes else 0
        names = [f"{candidate.stack}-{of_block}-{at}" for at in range(nodes)]
        threads = {"intra_op": serving.intra_op, "inter_op": serving.inter_op, "batching": serving.batching}
        return made.model_copy(
            update={
                "run_id": measured.run_id,
                "deployment": f"d{number:011x}",
                "started_at": STARTED_AT + timedelta(hours=number),
                "cost": made.cost.model_copy(update={"hourly": stack.usd_hourly}),
                "replicas": tuple(Replica(name=name, node=name, cpu_model="CPU N") for name in names),
                "serving": made.serving.model_copy(update=threads),
            }
        )


def swept_store(seed: int) -> SweptStore:
    """A race or a grid of 2 to 15 variants, some of them incapable, some runs of which fail; the same for one seed."""
    rng = np.random.default_rng([seed, 7])
    candidates = tuple(published()[at] for at in rng.permutation(15)[: rng.integers(2, 16)])
    made = fleet(candidates, TRUTHS[seed % len(TRUTHS)], seed)
    incapable = {candidate.key: candidate.load.lowest_rps / 2 for candidate in candidates if rng.uniform() < _INCAPABLE}
    world = replace(
        made,
        stacks={name: replace(each, fresh_nodes=bool(rng.integers(2))) for name, each in made.stacks.items()},
        capacity_rps={**made.capacity_rps, **incapable},
        spread=Spread(float(rng.uniform(0.01, 0.08))),
        faults=Faults(run=float(rng.choice([0, 0.05]))),
    )
    blocks = [None, 1, 2, 4][rng.integers(4)]
    settings = SweepSettings(
        candidates=candidates, strategy="grid" if seed % 2 else "race", within=_WITHIN, blocks=blocks, seed=seed
    )
    cloud = Cloud(world)
    with tempfile.TemporaryDirectory() as folder:
        outcome = simulate(Path(folder) / "sweep", settings, cloud, strategy_of(settings))
    # The newest of a candidate in a block counts, as in a journal.
    newest = {(key, block): measured for key, block, measured in cloud.runs}
    return SweptStore(settings, world, outcome, [(*which, measured) for which, measured in newest.items()])


def claimed_more(objective: ObjectiveView) -> float:
    """By what share at most the choice is dearer, as the sweep claims it."""
    claim = _CLAIM.search(objective.claim)
    return float(claim["most"]) / 100 if claim else 0.0


def disagreements(seed: int) -> list[str]:
    """What the sweep of a seed says that the verdict on its runs does not."""
    swept = swept_store(seed)
    [objective] = swept.outcome.last.objectives
    return (
        [f"seed {seed}: {disagreement}" for disagreement in _disagreements(swept, objective)]
        if objective.leader
        else []
    )


def _disagreements(swept: SweptStore, objective: ObjectiveView) -> Iterator[str]:
    verdict = swept.verdict
    of_run = {run.run_id: ranked for ranked in verdict.ranking for run in ranked.variant.manifests}
    of_key: dict[str, Ranked] = {key: of_run[run.run_id] for key, _, run in swept.runs if run.run_id in of_run}
    assert objective.leader
    leader = of_key[objective.leader.candidate.key]
    least = leader.standing.at_most_more if leader.standing else math.inf
    is_alone = "No other candidate" in objective.claim
    if not is_alone and claimed_more(objective) < least - ROUNDING:
        yield f"the sweep claims at most {claimed_more(objective):.1%}, the verdict {least:.1%}"
    is_assumed = verdict.effects is None or verdict.effects.compared.is_prior
    if "95 % certainty" in objective.claim and is_assumed:
        yield "the sweep claims 95 %, the verdict rests on an assumption"
    for candidate in objective.candidates:
        ranked = of_key.get(candidate.candidate.key)
        if not ranked or not ranked.standing:
            continue
        if ranked.standing.is_certainly_best and len(verdict.ranking) > 1 and ranked is not leader:
            yield f"{candidate.candidate.label} is certainly the best by the verdict, and {leader.label} was chosen"
        if candidate.place is Place.eliminated and ranked.standing.may_be_best:
            yield f"{candidate.candidate.label} may be the best by the verdict, and not by the sweep"
