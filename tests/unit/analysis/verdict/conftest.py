"""Runs and variants with figures that the tests choose."""

import math
from datetime import timedelta
from typing import Any

import pytest

from analysis.capacity.evidence import Basis, Evidence, NoEvidence
from analysis.interval import Interval
from analysis.results.schema.manifest import Replica
from analysis.results.storage.store import ResultsStore
from analysis.verdict.at_one_load import AtOneLoad
from analysis.verdict.variants import Variant
from analysis.verdict.verdict import Judged
from bench.stores.synthetic import STARTED_AT, make_manifest, make_search, write_run
from stacks.load.load_profiles import PROFILES
from stacks.server.serving_variant import Batching

SHAPES = {
    "2cpu-4gb": ("e2-custom-2-4096", 8),
    "4cpu-8gb": ("e2-custom-4-8192", 4),
    "8cpu-16gb": ("e2-custom-8-16384", 2),
    "8cpu-64gb": ("e2-highmem-8", 2),
}
BATCHING = Batching(max_batch_size=128, batch_timeout_micros=0, max_enqueued_batches=2, num_batch_threads=2)


def known_to(value: float, share: float) -> Interval[float]:
    """A figure whose 95 % interval reaches this share below and above it."""
    return Interval(value, value * math.exp(-share), value * math.exp(share))


def manifest(stack: str = "8cpu-16gb", load: str = "smoke", deployment: int | None = None, **serving: Any):
    """A run of a stack with other settings of what serves; each deployment is on a node of its own."""
    made = make_manifest(PROFILES[load], stack, *SHAPES[stack])
    changes = {
        "serving": made.serving.model_copy(update=serving),
        "deployment": None if deployment is None else f"d{deployment:011x}",
        "replicas": () if deployment is None else (Replica(name="server", node=f"{stack}-{deployment}"),),
    }
    return made.model_copy(update=changes)


def measure(store: ResultsStore, rps: float, seed: int, inter_op: int = 4, **changes: Any):
    """Store a search, each of a deployment of its own, so many minutes after the first."""
    serving = make_manifest(PROFILES["capacity"]).serving.model_copy(update={"inter_op": inter_op})
    at = STARTED_AT + timedelta(minutes=seed)
    fields = {"deployment": f"d{seed:011x}", "serving": serving, "started_at": at, "finished_at": at}
    return write_run(store, *make_search(rps, seed, **fields | changes))


def searched(rps: float, stack: str = "8cpu-16gb", deployment: int | None = None, sure: float = 0.01, **serving: Any):
    """A run that searched for the capacity and knows it to a share."""
    run = manifest(stack, "capacity", deployment, **serving)
    found = known_to(rps, sure)
    return Judged(run, (), Evidence(run.run_id, Basis.search, Interval(rps, found.low, found.high)))


def bounded(low: float = 0.0, high: float = math.inf, stack: str = "8cpu-16gb", load: str = "open", **serving: Any):
    """A run that bounds the capacity."""
    run = manifest(stack, load, **serving)
    basis = Basis.search if load == "capacity" else Basis.open_loop
    return Judged(run, (), Evidence(run.run_id, basis, Interval(None, low, high)))


def silent(stack: str = "8cpu-16gb", load: Any = "seed", **changes: Any):
    """A valid run that says nothing about the capacity."""
    changes |= {} if isinstance(load, str) else {"load": load}
    run = manifest(stack, load if isinstance(load, str) else "seed").model_copy(update=changes)
    return Judged(
        run,
        (),
        NoEvidence(
            run.run_id, "a closed loop that did not saturate says nothing about capacity; run a capacity search"
        ),
    )


def at_load(
    label: str = "8cpu-16gb",
    goodput: float = 50,
    sure: float = 0.02,
    *,
    p99: Interval[float] | None = None,
    usd_hourly: float = 0.6,
    runs: int = 3,
    **settings: Any,
) -> AtOneLoad:
    """A variant at one load, with a goodput known to a share."""
    run = manifest(settings.pop("stack", "8cpu-16gb"), **settings)
    return AtOneLoad(Variant(label, (run,) * runs), known_to(goodput, sure), p99 or known_to(300, 0.02), usd_hourly)


@pytest.fixture(scope="session", name="known_to")
def _known_to():
    return known_to


@pytest.fixture(scope="session", name="manifest")
def _manifest():
    return manifest


@pytest.fixture(scope="session", name="searched")
def _searched():
    return searched


@pytest.fixture(scope="session", name="bounded")
def _bounded():
    return bounded


@pytest.fixture(scope="session", name="silent")
def _silent():
    return silent


@pytest.fixture(scope="session", name="at_load")
def _at_load():
    return at_load


@pytest.fixture(scope="session", name="batching")
def _batching():
    return BATCHING
