import math
from datetime import timedelta

import pytest

from analysis.results.schema.manifest import Validity
from analysis.verdict.latest import SearchReader, read_latest
from bench.stores.synthetic import STARTED_AT, make_manifest, make_search, write_run
from stacks.load.load_profiles import PROFILES
from tests.unit.analysis.verdict.conftest import measure


def read(store):
    return read_latest(SearchReader(store), store.scan().manifests)[0]


def test_the_latest_figure_is_that_of_the_newest_variant_over_all_of_its_deployments(store):
    measure(store, 600, 1, inter_op=2)
    for seed in (2, 3, 4):
        measure(store, 60, seed)
    measure(store, 900, 5, validity=Validity(verdict="invalid", reasons=("a pod was restarted",)))
    latest = read(store)["8cpu-16gb"]
    assert latest.capacity.rps.value == pytest.approx(60, rel=0.08)
    assert (latest.capacity.runs, latest.capacity.deployments) == (3, 3)
    assert latest.measured_at == STARTED_AT + timedelta(minutes=4)
    cost = latest.usd_hourly * 1e6 / 3600 / latest.capacity.rps.value
    assert latest.usd_per_million.value == pytest.approx(cost)


def test_a_stack_without_a_capacity_search_has_no_latest_figure(store):
    write_run(store, make_manifest(PROFILES["smoke"]), make_search(60)[1])
    assert read(store) == {}


def test_as_json_the_figures_have_plain_numbers(store):
    measure(store, 60, 1)
    values = read(store)["8cpu-16gb"].to_dict()
    assert values["variant"] == "8cpu-16gb · interop4"
    assert values["objective"] == "p99 within 500 ms and at most 0.1 % failed"
    assert math.isfinite(values["usd_per_million"]["value"])
    assert values["measured_at"].startswith("2026-11-20T09:31")
