"""A replay beside its forecast: runs whose servers, requests and late answers are made here, number by number."""

import math
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.objective import Asked
from analysis.planning.day.replay import NoReplayError, Replay, rates_in_steps, replay_of
from analysis.planning.day.start_up import AskedDelays
from analysis.results.schema.manifest import Manifest
from analysis.results.schema.samples import READY_SERVERS, SAMPLES_SCHEMA, SERVER
from analysis.results.storage.store import ResultsStore
from analysis.verdict.verdict import read_verdict
from bench.stores.synthetic import STARTED_AT, make_manifest, request_rows, write_run
from stacks.load.load_profiles import TrafficCurve
from stacks.machines.autoscaler import Autoscaler
from tests.support.production import write_search

# A node of 8 vCPUs carries 20 requests a second with 6 cores in use; a pod requests 4 vCPUs.
CAPACITY_RPS, CORES = 40.0, 6.0
AUTOSCALER = Autoscaler(target_percent=45, fewest=1, stabilization_s=60, request_millis=4000)
LATE_MS = 600.0


def curve(*rates_rps: float, duration_s: float = 600.0) -> TrafficCurve:
    return TrafficCurve(
        rates_rps=rates_rps, arrivals="constant", seed=1, max_in_flight=50, warmup_s=0, duration_s=duration_s
    )


def counted(ready: list[tuple[float, int]]) -> pa.Table:
    """Samples: so many servers are ready from that second on."""
    return pa.Table.from_pylist(
        [
            {"at": STARTED_AT + timedelta(seconds=at_s), "subject": SERVER, "quantity": READY_SERVERS, "value": count}
            for at_s, count in ready
        ],
        schema=SAMPLES_SCHEMA,
    )


def write_replay(
    store: ResultsStore,
    ready: list[tuple[float, int]],
    late: int = 0,
    load: Any = None,
    samples: list[pa.Table] | None = None,
    **changes: Any,
) -> Manifest:
    """A second apart, 600 requests, of which the first ones are late."""
    latency_ms = np.where(np.arange(600) < late, LATE_MS, 100.0)
    rows = request_rows(
        np.arange(600) * 1_000_000, np.round(latency_ms * 1e3).astype(np.int64), "hold", np.ones(600, dtype=bool)
    )
    changes = {"nodes": 3, "autoscaler": AUTOSCALER} | changes
    autoscaler = changes.pop("autoscaler")
    manifest = make_manifest(load or curve(10, 10), **changes)
    settings = {"grpc_threads": 1024, "rest_threads": 32}
    manifest = manifest.model_copy(
        update={"autoscaler": autoscaler, "serving": manifest.serving.model_copy(update=settings)}
    )
    return write_run(store, manifest, rows, pa.concat_tables([counted(ready), *(samples or [])]))


def replayed(folder: Path, ready: list[tuple[float, int]], **changes: Any) -> Replay:
    store = ResultsStore(str(folder))
    write_search(store, CAPACITY_RPS, cores=CORES)
    run = write_replay(store, ready, **changes)
    return held(store, run)


def held(store: ResultsStore, run: Manifest) -> Replay:
    verdict = read_verdict(store, Asked(quantile=0.99, latency_ms=500))
    return replay_of(store, verdict, run, AskedDelays(pod_start_s=30), lambda _: None)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=9).filter(any), st.floats(1, 2000))
def test_no_request_is_lost_between_the_steps(rates_rps: list[float], duration_s: float) -> None:
    rates = rates_in_steps(curve(*rates_rps, duration_s=duration_s))
    lengths_s = np.full(rates.size, 15.0)
    lengths_s[-1] = duration_s - 15 * (rates.size - 1)
    due = sum((before + after) / 2 for before, after in pairwise(rates_rps))
    assert float(rates @ lengths_s) == pytest.approx(due * duration_s / (len(rates_rps) - 1), rel=1e-6, abs=1e-6)


def test_what_was_measured_is_averaged_over_the_steps(tmp_path: Path) -> None:
    found = replayed(tmp_path, [(-10, 1), (20, 2), (300, 3), (590, 1)], late=12)
    # 20 s with one, of which 5 s are of the second step; 280 s with two; 290 s with three; 10 s with one.
    assert found.measured[:3] == pytest.approx([1, (5 + 10 * 2) / 15, 2])
    assert found.measured_servers == pytest.approx((20 + 280 * 2 + 290 * 3 + 10) / 600)
    assert (found.requests, found.late_requests) == (600, 12)
    # Clopper and Pearson's interval of 12 of 600, by their tables.
    assert (found.late.low, found.late.value, found.late.high) == pytest.approx((0.01038, 0.02, 0.03468), abs=1e-4)


def test_the_forecast_of_an_even_load_is_what_the_target_asks_for(tmp_path: Path) -> None:
    """14 a second are 14 / 20 of 6 cores, which is 105 % of the 4 that a pod requests; two pods use 53 %, below 90."""
    found = replayed(tmp_path, [(0, 2)], load=curve(14, 14))
    assert found.offer.sizing.node_rps == pytest.approx(20, rel=0.1)
    assert set(found.forecast[0]) == {2}
    assert found.servers_hold
    assert found.within_one == 1
    assert found.overloaded == 0


def test_a_load_that_grows_gets_more_servers_up_to_the_nodes_of_the_stack(tmp_path: Path) -> None:
    found = replayed(tmp_path, [(0, 1)], load=curve(2, 200, 200))
    play = found.forecast[0]
    assert (play[0], play.max()) == (1, 3)
    assert (np.diff(play) >= 0).all()
    assert found.overloaded > 0.5, "three nodes do not carry 200 a second"
    assert not found.servers_hold


def test_what_is_late_beyond_what_the_forecast_allows_is_said(tmp_path: Path) -> None:
    few, many = (replayed(tmp_path / str(late), [(0, 2)], load=curve(14, 14), late=late) for late in (10, 20))
    assert few.most_late == many.most_late == pytest.approx(0.01)
    # By chance 10 of 600 may be late where 1 % are, and 20 may not.
    assert few.late_holds
    assert not many.late_holds


def test_a_server_that_waits_for_its_pods_serves_later(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    write_search(store, CAPACITY_RPS, cores=CORES)
    run = write_replay(store, [(0, 1)], load=curve(2, 40, 40))
    verdict = read_verdict(store, Asked(quantile=0.99, latency_ms=500))
    soon, late = (
        replay_of(store, verdict, run, AskedDelays(pod_start_s=start_s), lambda _: None) for start_s in (15, 240)
    )
    assert soon.start_s == 15
    assert soon.servers.value > late.servers.value
    assert soon.overloaded < late.overloaded


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"autoscaler": None}, "is no replay: its load was traffic along a curve, without an autoscaler"),
        ({"machine_type": "e2-custom-4-8192", "stack": "4cpu-8gb"}, "what a node of 4cpu-8gb carries is not known"),
        ({"serving": "inter_op"}, "measure its capacity first, on two nodes or more, with load.profile capacity"),
    ],
)
def test_a_run_that_nothing_can_be_held_against_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    store = ResultsStore(str(tmp_path))
    write_search(store, CAPACITY_RPS, cores=CORES)
    other = changes.pop("serving", None)
    run = write_replay(store, [(0, 1)], **changes)
    if other:
        run = run.model_copy(update={"serving": run.serving.model_copy(update={"inter_op": 7})})
    with pytest.raises(NoReplayError) as refused:
        held(store, run)
    assert said in str(refused.value)


def test_a_search_without_samples_gives_no_forecast(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    write_search(store, CAPACITY_RPS, cores=None)
    run = write_replay(store, [(0, 1)])
    with pytest.raises(NoReplayError, match="do not show how busy its servers were"):
        held(store, run)


def test_the_servers_of_an_autoscaler_are_no_other_programs_of_the_node_they_share(tmp_path: Path) -> None:
    """They are not sampled themselves, so that the first server's samples have them as what else its node did."""
    of_pod = {"cpu_cores": 4.0, "most_cores": 8.0, "other_cpu_cores": 3.9}
    samples = [
        {"at": STARTED_AT + timedelta(seconds=second), "subject": "first", "quantity": quantity, "value": value}
        for second in range(600)
        for quantity, value in of_pod.items()
    ]
    table = pa.Table.from_pylist(samples, schema=SAMPLES_SCHEMA)
    machine = {"name": "first", "node": "node-1"}
    found = replayed(tmp_path, [(0, 2)], load=curve(14, 14), samples=[table], replicas=(machine,))
    assert found.measured_servers == 2


def test_a_replay_whose_servers_were_not_counted_is_refused(tmp_path: Path) -> None:
    store = ResultsStore(str(tmp_path))
    write_search(store, CAPACITY_RPS, cores=CORES)
    with pytest.raises(NoReplayError, match="do not show how many servers were ready"):
        held(store, write_replay(store, []))


def test_the_share_of_late_answers_has_no_interval_below_none(tmp_path: Path) -> None:
    found = replayed(tmp_path, [(0, 2)], load=curve(14, 14))
    assert found.late.low == found.late.value == 0
    assert math.isclose(found.late.high, 1 - 0.025 ** (1 / 600), rel_tol=1e-6)
