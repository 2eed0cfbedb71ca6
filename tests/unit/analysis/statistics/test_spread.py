"""What repeats say that one run cannot."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.interval import Interval
from analysis.results.schema.manifest import Manifest, Repeat, Validity
from analysis.results.storage.store import ResultsStore, new_run_id
from analysis.statistics.read import read_figures
from analysis.statistics.spread import QUANTILES, Repeats, repeats_of, spread_of
from bench.stores.synthetic import Server, make_manifest, make_rows, write_run
from stacks.load.load_profiles import PROFILES

LOAD = PROFILES["laptop"]
HALF_WIDTH = 1.959964


def estimate(value: float, sd: float) -> Interval[float]:
    return Interval(value, value - HALF_WIDTH * sd, value + HALF_WIDTH * sd)


def write_group(store: ResultsStore, capacities: list[float], **changes: Any) -> list[str]:
    ids = [new_run_id() for _ in capacities]
    for index, (run_id, capacity) in enumerate(zip(ids, capacities, strict=True), 1):
        manifest = make_manifest(LOAD, run_id=run_id, repeat=Repeat(group=ids[0], index=index, of=3), **changes)
        write_run(store, manifest, make_rows(LOAD, Server(capacity_rps=capacity, service_ms=60), seed=index))
    return ids


def repeats_in(store: ResultsStore, manifests: Iterable[Manifest]) -> tuple[Repeats, ...]:
    return repeats_of((manifest, read_figures(store, manifest, QUANTILES)) for manifest in manifests)


def test_both_shares_are_standard_deviations_so_they_compare() -> None:
    spread = spread_of("p99_ms", [estimate(90, 5), estimate(100, 5), estimate(110, 5)])
    assert (spread.lowest, spread.median, spread.highest) == (90, 100, 110)
    assert spread.from_run_to_run == pytest.approx(0.10)
    assert spread.within_a_run == pytest.approx(0.05, rel=1e-6)


def test_runs_that_only_vary_as_each_of_them_does_within_have_two_shares_alike() -> None:
    values = np.random.default_rng(1).normal(100, 3, 4000)
    spread = spread_of("goodput_rps", [estimate(float(value), 3) for value in values])
    assert spread.from_run_to_run == pytest.approx(spread.within_a_run, rel=0.05)


def test_a_run_without_an_upper_bound_has_no_spread_within() -> None:
    spread = spread_of("p99_ms", [estimate(100, 5), replace(estimate(110, 5), high=math.inf)])
    assert spread.within_a_run is None
    assert spread.to_dict()["within_a_run"] is None
    assert spread.from_run_to_run > 0


@given(
    st.lists(st.floats(min_value=1, max_value=1e5), min_size=2, max_size=9), st.floats(min_value=0.01, max_value=100)
)
def test_another_unit_changes_no_share(values: list[float], factor: float) -> None:
    runs = [estimate(value, value / 50) for value in values]
    spread, scaled = spread_of("p50_ms", runs), spread_of("p50_ms", [run.times(factor) for run in runs])
    assert scaled.from_run_to_run == pytest.approx(spread.from_run_to_run, abs=1e-9)
    assert scaled.within_a_run == pytest.approx(spread.within_a_run, abs=1e-9)


def test_a_group_is_read_in_its_order_and_other_runs_are_no_repeats(store: ResultsStore) -> None:
    write_run(store, make_manifest(LOAD), make_rows(LOAD, Server(capacity_rps=10, service_ms=60)))
    ids = write_group(store, [10.0, 14.0, 12.0])
    (group,) = repeats_in(store, reversed(store.scan().manifests))
    assert [manifest.run_id for manifest in group.manifests] == ids
    goodput, p50, p99 = group.spreads
    assert (goodput.figure, p50.figure, p99.figure) == ("goodput_rps", "p50_ms", "p99_ms")
    assert goodput.lowest == pytest.approx(10, rel=0.1)
    assert goodput.median == pytest.approx(12, rel=0.1)
    assert goodput.highest == pytest.approx(14, rel=0.1)
    assert goodput.within_a_run is not None
    assert goodput.from_run_to_run > goodput.within_a_run, "these servers do differ"


def test_an_invalid_run_is_no_part_of_the_spread_and_a_group_of_one_has_none(store: ResultsStore) -> None:
    write_group(store, [10.0, 12.0], validity=Validity(verdict="invalid", reasons=("the server stopped answering",)))
    write_group(store, [10.0])
    assert repeats_in(store, store.scan().manifests) == ()
