import json

import pytest
from typer.testing import CliRunner

from analysis.results.storage.store import ResultsStore
from shapebench.cli import app
from tests.support.production import write_search
from tests.unit.analysis.planning.day.test_replay import CAPACITY_RPS, CORES, curve, write_replay


@pytest.fixture
def store(tmp_path):
    store = ResultsStore(str(tmp_path))
    write_search(store, CAPACITY_RPS, cores=CORES)
    return store


def invoke(store, run: str, *arguments: str):
    command = ("replay", run, "--p99", "500ms", "--pod-start-up", "30s", "--results", store.uri)
    return CliRunner().invoke(app, (*command, *arguments))


def test_forecast_and_measured_figures_are_side_by_side(store):
    run = write_replay(store, [(0, 2)], load=curve(14, 14), late=4)
    result = invoke(store, run.run_id)
    assert result.exit_code == 0, result.output
    for said in (
        f"Run {run.run_id} of {run.stack}: 600 requests along a curve of 14 to 14 a second, with 1 to 3 servers",
        " at a CPU",
        "target of 45 %. The forecast: a server certainly carries",
        "starts within 30 s.",
        "servers, mean",
        "2.00 (2.00 to 2.00)",
        "Servers that are ready",
        "by at most one in 100.00 % of the time",
    ):
        assert said in result.stdout, said
    lines = [line for line in result.stdout.splitlines() if line.startswith(("servers, mean", "late or failed"))]
    assert all(line.rstrip().endswith("holds") for line in lines)


def test_a_forecast_that_does_not_hold_says_so(store):
    run = write_replay(store, [(0, 3)], load=curve(14, 14), late=60)
    assert invoke(store, run.run_id).stdout.count("does not hold") == 2


def test_json_has_the_same_at_full_precision(store):
    run = write_replay(store, [(0, 1), (300, 2)], load=curve(14, 14), late=4)
    found = json.loads(invoke(store, run.run_id, "--json").stdout)
    assert found["run_id"] == run.run_id
    assert found["servers"]["measured"] == pytest.approx(1.5)
    # The second server is asked for by the CPU use of the step before, and starts for two steps.
    assert found["servers"]["forecast"]["value"] == pytest.approx((3 * 1 + 37 * 2) / 40)
    assert not found["servers"]["holds"]
    assert found["late"]["measured"]["value"] == pytest.approx(4 / 600)
    assert found["late"]["holds"]
    assert [step["measured"] for step in found["steps"]] == [1] * 20 + [2] * 20


def test_a_run_that_is_no_replay_is_one_error_line(store):
    [search] = store.scan().manifests
    result = invoke(store, search.run_id)
    assert result.exit_code == 1
    assert f"run {search.run_id} is no replay: its load was a capacity search, without an autoscaler" in result.stderr
    assert "no run" in invoke(store, "01ARZ3NDEKTSV4RRFFQ69G5FAV").stderr
