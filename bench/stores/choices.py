"""How often the verdict names the best variant, and how often it calls equal variants tied, over stores on disk."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from analysis.objective import Objective
from analysis.results.columns import RunRows
from analysis.results.store import ResultsStore
from analysis.verdict.verdict import read_verdict
from bench.figures import Figure
from bench.stores.regimes import Regime, saturated
from bench.stores.synthetic import make_manifest, request_rows, write_run
from stacks.load_profiles import PROFILES

_RATE_RPS = 50.0
_INTER_OPS = (2, 4, 8)
# A limit that all variants keep, so that cost decides.
_OBJECTIVE = Objective(latency_ms=5000, errors=0.01)


@dataclass(frozen=True)
class Choice:
    """Variants of one shape by their relative speed, with the number of repeats and the spread between runs."""

    name: str
    speeds: tuple[float, ...]
    repeats: int
    spread: float


CHOICES = (
    Choice("3 variants 5 % apart, 3 runs that differ by 2 %", (1.0, 0.95, 0.9), repeats=3, spread=0.02),
    Choice("3 variants 5 % apart, one run each", (1.0, 0.95, 0.9), repeats=1, spread=0.0),
    Choice("2 equal variants, 3 runs that differ by 2 %", (1.0, 1.0), repeats=3, spread=0.02),
    Choice("2 equal variants, one run each", (1.0, 1.0), repeats=1, spread=0.0),
)


def figures(choice: Choice, stores: int, seed: int) -> list[Figure]:
    """The percentage of stores in which the best variant is among those named, or in which all equal ones are named."""
    equal = len(set(choice.speeds)) == 1
    correct, alone = 0, 0
    count = len(choice.speeds) * choice.repeats
    regime = Regime("", partial(saturated, users=16, servers=4), _RATE_RPS, repeats=count, spread=choice.spread)
    for runs in regime.stores(stores, seed):
        with tempfile.TemporaryDirectory() as folder:
            best = _best(Path(folder), choice, runs)
        correct += best == set(_INTER_OPS[: len(choice.speeds)]) if equal else _INTER_OPS[0] in best
        alone += len(best) == 1
    if equal:
        return [Figure(f"{choice.name}: tied", correct / stores * 100, "% of stores", ">= 90")]
    return [
        Figure(f"{choice.name}: true best among best", correct / stores * 100, "% of stores", ">= 95"),
        Figure(f"{choice.name}: best is alone", alone / stores * 100, "% of stores"),
    ]


def _best(folder: Path, choice: Choice, runs: Sequence[RunRows]) -> set[int]:
    """Write the runs to a store, and return the inter_op of the variants that the verdict calls best."""
    store = ResultsStore(str(folder))
    for at, run in enumerate(runs):
        variant = at % len(choice.speeds)
        manifest = make_manifest(PROFILES["seed"])
        serving = manifest.serving.model_copy(update={"inter_op": _INTER_OPS[variant]})
        hold, stretch = run.counted, 1 / choice.speeds[variant]
        due_us = np.round(hold.due_us * stretch).astype(np.int64)
        latency_us = np.round((hold.end_us - hold.due_us) * stretch).astype(np.int64)
        rows = request_rows(due_us, latency_us, "hold", hold.ok)
        write_run(store, manifest.model_copy(update={"serving": serving}), rows)
    return {each.variant.newest.serving.inter_op for each in read_verdict(store, _OBJECTIVE).best}
