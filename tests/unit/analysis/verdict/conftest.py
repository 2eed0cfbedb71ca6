"""Variants with figures that the tests choose."""

import math
from typing import Any

import pytest

from analysis.statistics.estimate import Estimate
from analysis.verdict.ranking import Limit, Ranked
from analysis.verdict.variants import Variant
from bench.stores.synthetic import make_manifest
from stacks.load_profiles import PROFILES
from stacks.serving_variant import Batching

SHAPES = {
    "2cpu-4gb": ("e2-custom-2-4096", 8),
    "4cpu-8gb": ("e2-custom-4-8192", 4),
    "8cpu-16gb": ("e2-custom-8-16384", 2),
    "8cpu-64gb": ("e2-highmem-8", 2),
}
BATCHING = Batching(max_batch_size=128, batch_timeout_micros=0, max_enqueued_batches=2, num_batch_threads=2)


def known_to(value: float, share: float) -> Estimate:
    """A figure whose 95 % interval reaches this share below and above it."""
    return Estimate(value, value * math.exp(-share), value * math.exp(share))


def manifest(stack: str = "8cpu-16gb", load: str = "smoke", **serving: Any):
    """A run of a stack with other settings of what serves."""
    made = make_manifest(PROFILES[load], stack, *SHAPES[stack])
    return made.model_copy(update={"serving": made.serving.model_copy(update=serving)})


def ranked(
    label: str = "8cpu-16gb",
    goodput: float = 50,
    sure: float = 0.02,
    *,
    p99: Estimate | None = None,
    errors: Estimate | None = None,
    usd_hourly: float = 0.6,
    runs: int = 3,
    **settings: Any,
) -> Ranked:
    """A variant with a goodput known to a share, judged by a p99 of 400 ms and 0.1 % errors."""
    p99 = p99 or known_to(300, 0.02)
    errors = errors or Estimate(0, 0, 0.01)
    run = manifest(settings.pop("stack", "8cpu-16gb"), **settings)
    return Ranked(
        variant=Variant(label, (run,) * runs),
        requests=1000 * runs,
        goodput_rps=known_to(goodput, sure),
        p99_ms=p99,
        usd_hourly=usd_hourly,
        limits=(Limit("p99", "ms", 400, p99), Limit("errors", "%", 0.1, errors)),
    )


@pytest.fixture(scope="session", name="known_to")
def _known_to():
    return known_to


@pytest.fixture(scope="session", name="manifest")
def _manifest():
    return manifest


@pytest.fixture(scope="session", name="ranked")
def _ranked():
    return ranked


@pytest.fixture(scope="session", name="batching")
def _batching():
    return BATCHING
