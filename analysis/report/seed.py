"""Compares runs with the fifteen published experiments, by their labels, with the claims and what differs in method.

Of the published results only the claims are text (charts and prices are pictures), so no published figure is shown.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from analysis.comparability import largest_group
from analysis.formatting import count, money, number, percent, server_name
from analysis.pricing.cost import DEFAULT_REGION, HOURS_A_DAY, nodes_hourly, times
from analysis.pricing.stack_cost import serving_cost
from analysis.report.collect import Findings, Run
from analysis.report.tables import Column, Table
from analysis.results.schema.manifest import Manifest
from analysis.verdict.claims import Claim, ClaimFinding, claims
from analysis.verdict.effects import Compared, effects
from stacks.load.load_profiles import PROFILES
from stacks.machines.shapes import NodeShape, ShapeSettings
from stacks.server.serving_variant import Batching

_FIGURES = (
    "good, 1/s", "requests, 1/s, with ramp", "p50, ms", "p99, ms", "errors, %", "nodes only, USD/24 h", "all, USD/24 h",
)  # fmt: skip
NOTE = """\
Twelve experiments without batching and three with it. Their figures were published as pictures only, so none are \
shown. 24 h is what the experiment calls a month. It averages ramp and plateau together; the column "with ramp" does \
the same, all others are of the plateau. Its server was compiled from source for CPUs (tfs-resnet-cpu-opt) and ran in \
pods without requests and limits. The last column lists differences. These apply to all runs here: percentiles \
are exact, answers are checked, and the generator's CPU is checked. The claims are judged twice: at the load of the \
experiment, and at capacity, which is what the shapes can do.\
"""

_SHAPES = (("e2-custom-2-4096", 8), ("e2-custom-4-8192", 4), ("e2-custom-8-16384", 2), ("e2-highmem-8", 2))
_INTER_OPS = (2, 4, 8)
_BATCHING = Batching(max_batch_size=128, batch_timeout_micros=0, max_enqueued_batches=2, num_batch_threads=2)
# The experiment's manifests name the image tfs-resnet-cpu-opt: deep-diver/ml-deployment-k8s-tfserving.
_OFFICIAL = re.compile(r"(^|/)tensorflow/serving[:@]")


@dataclass(frozen=True)
class Experiment:
    """One experiment of the published fifteen."""

    machine_type: str
    nodes: int
    inter_op: int
    batching: Batching | None

    @property
    def shape(self) -> NodeShape:
        return NodeShape.of("seed", ShapeSettings(machine_type=self.machine_type, nodes=self.nodes))

    @property
    def label(self) -> str:
        shape = self.shape
        batch = "-batch" if self.batching else ""
        return f"{shape.nodes}n-{shape.vcpus}c-{shape.memory_gb:g}r-interop{self.inter_op}{batch}"

    def is_of(self, manifest: Manifest) -> bool:
        """Whether a run measured this: the same nodes, threads and batching, over REST, and no other setting."""
        shape, serving = manifest.shape, manifest.serving
        return (
            (shape.machine_type, shape.nodes, serving.intra_op) == (self.machine_type, self.nodes, shape.vcpus)
            and (serving.inter_op, serving.batching, serving.protocol) == (self.inter_op, self.batching, "rest")
            and (serving.cpu_limit, serving.one_dnn) == (None, None)
        )  # fmt: skip


_BEST = Experiment("e2-custom-8-16384", 2, 8, None)
EXPERIMENTS = (
    *(Experiment(*shape, inter_op, None) for shape in _SHAPES for inter_op in _INTER_OPS),
    *(Experiment(*_SHAPES[-1], inter_op, _BATCHING) for inter_op in _INTER_OPS),
)


def seed_table(findings: Findings) -> Table:
    columns = (
        Column("experiment", "text"),
        Column("run", "text"),
        *map(Column, _FIGURES),
        Column("differences", "wrap"),
    )
    rows = tuple(_row(*each) for each in _measured(findings))
    return Table("The fifteen published experiments, as measured here", columns, rows)


def experiments(findings: Findings) -> list[dict[str, Any]]:
    """The same table at full precision, for programs; what was not measured is None. Costs are in USD."""
    return [
        {"experiment": each.label} | _figures(each, runs[-1] if runs else None) | ({"differs": why} if why else {})
        for each, runs, why in _measured(findings)
    ]


def differences(manifest: Manifest) -> list[str]:
    """How a run differs from the published experiment, apart from what NOTE says of all runs."""
    serving, found = manifest.serving, []
    if manifest.load.model_copy(update={"warmup_s": 0.0}) != PROFILES["seed"]:
        found.append("other load than 150 users, started 1/s, waiting 1 s, for 300 s")
    if manifest.platform != "gke":
        found.append("this machine instead of the nodes" if manifest.platform == "local" else "not on GKE")
    if serving.server != "tensorflow_model_server":
        found.append(f"served by {server_name(manifest)}")
    elif serving.image and _OFFICIAL.search(serving.image):
        found.append("the official server image, not one compiled for CPUs")
    if serving.model.weights != "imagenet":
        found.append("random weights")
    if not serving.seed_faithful:
        found.append("probes, requests and a memory limit")
    return found


def _measured(findings: Findings) -> list[tuple[Experiment, list[Run], str]]:
    """The comparable runs of each experiment in the order of time; where there are none, why others are not shown."""
    runs = {run.manifest.run_id: run for run in findings.runs if run.summary.valid}
    # It had one server.
    newest = max((run.manifest for run in runs.values()), key=attrgetter("run_id"), default=None)
    found = {
        run_id: each
        for run_id, run in runs.items()
        for each in EXPERIMENTS
        if newest and run.manifest.serving.server == newest.serving.server and each.is_of(run.manifest)
    }
    chosen, others = largest_group((runs[run_id].manifest for run_id in found), lambda run: found[run.run_id])
    why = {found[manifest.run_id]: "; ".join(reasons) for manifest, reasons in others}
    shown = {each: [runs[run.run_id] for run in chosen if found[run.run_id] is each] for each in EXPERIMENTS}
    return [(each, shown[each], "" if shown[each] else why.get(each, "")) for each in EXPERIMENTS]


def _figures(experiment: Experiment, run: Run | None) -> dict[str, Any]:
    cost = run.manifest.cost if run else serving_cost(experiment.shape, DEFAULT_REGION)
    return {
        "run_id": run.manifest.run_id if run else None,
        "goodput_rps": run.summary.goodput_rps if run else None,
        "ramp_counted_in_rps": _with_ramp_rps(run) if run else None,
        "p50_ms": run.summary.p50_ms if run else None,
        "p99_ms": run.summary.p99_ms if run else None,
        "error_rate": run.summary.error_rate if run else None,
        "nodes_usd_24h": times(nodes_hourly(cost), HOURS_A_DAY),
        "usd_24h": times(cost.hourly, HOURS_A_DAY),
        "differs": "; ".join(differences(run.manifest)) if run else None,
    }


def _row(experiment: Experiment, runs: Sequence[Run], why: str) -> tuple[str, ...]:
    run = runs[-1] if runs else None
    figures = _figures(experiment, run)
    named, differs = "no comparable run" if why else "no run", why
    if run:
        named = run.name + (f" (newest of {count(len(runs))})" if len(runs) > 1 else "")
        differs = figures["differs"] or "none"
    return (
        experiment.label,
        named,
        *(number(figures[name]) for name in ("goodput_rps", "ramp_counted_in_rps", "p50_ms", "p99_ms")),
        percent(figures["error_rate"]),
        money(figures["nodes_usd_24h"]),
        money(figures["usd_24h"]),
        differs,
    )


def _with_ramp_rps(run: Run) -> float | None:
    load, rows = run.manifest.load, run.summary.rows_by_phase
    return (rows.get("ramp", 0) + rows.get("hold", 0)) / load.duration_s if load.mode == "closed" else None


def seed_claims(variants: Sequence[Compared], best: Sequence[str]) -> tuple[Claim, ...]:
    """All claims, judged by these variants; `best` are the labels of those that may be the best of them."""
    reliable = "TensorFlow Serving favours reliability over throughput"
    similar = "Its throughput is close to that of a FastAPI server of the same model"
    return (
        _best(variants, best),
        *claims(effects(variants)),
        Claim(reliable, ClaimFinding.undecided, "no run measures another server"),
        Claim(similar, ClaimFinding.undecided, "no run serves the model with FastAPI"),
    )


def _best(variants: Sequence[Compared], best: Sequence[str]) -> Claim:
    """The published text says inter_op 8, its repository 4; the text is judged."""
    claim = "The best is 2 nodes of 8 vCPUs and 16 GB with inter_op 8"
    theirs = [variant.variant for variant in variants if _BEST.is_of(variant.variant.newest)]
    if not theirs:
        return Claim(claim, ClaimFinding.undecided, f"{_BEST.label} is not among the variants")
    label = theirs[0].label
    if label not in best:
        why = f"best here is {', '.join(best)}" if best else "no variant certainly meets the objective"
        return Claim(claim, ClaimFinding.refuted if best else ClaimFinding.undecided, why)
    if len(best) == 1:
        measured = len(variants)
        enough = measured >= len(EXPERIMENTS) - len(_INTER_OPS)
        why = f"it is the best of {count(measured)} variants" + ("" if enough else ", too few to judge all twelve")
        return Claim(claim, ClaimFinding.confirmed if enough else ClaimFinding.undecided, why)
    return Claim(claim, ClaimFinding.undecided, f"the data cannot tell it from {', '.join(set(best) - {label})}")
