import json

import numpy as np
import pytest
from typer.testing import CliRunner

from analysis.planning.service import Service
from analysis.planning.simulation import Fleet
from analysis.results.store import ResultsStore
from bench.stores.simulated_runs import capacity_run, cores_of_its_own
from shapebench.cli import app
from shapebench.commands.plan import parse_ms, parse_share
from shapebench.output import CommandError


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("results"))
    fleet = Fleet(2, Service(80, np.ones(1), cores_of_its_own(2)), "random")
    capacity_run(ResultsStore(folder), fleet, 300, seed=4)
    return folder


def invoke(*arguments: str):
    return CliRunner().invoke(app, ("plan", *arguments))


def test_a_plan_has_nodes_cost_range_and_the_loss_of_a_zone(results):
    result = invoke("--rps", "200", "--p99", "300ms", "--zones", "3", "--headroom", "10%", "--results", results)
    assert result.exit_code == 0, result.stderr
    for said in (
        "200 requests per second with 10% of headroom at a p99 of 300 ms need",
        "e2-custom-8-16384",
        "serving nodes: vCPUs",
        "cluster fee",
        "NAT gateway: machines",
        "measured by a capacity search",
        "Range: ",
        "Loss of a zone: ",
        "2 in parallel, other requests wait",
        "traffic between zones",
    ):
        assert said in result.stdout, said


def test_a_plan_from_local_runs_is_a_rehearsal(tmp_path):
    fleet = Fleet(2, Service(80, np.ones(1), cores_of_its_own(2)), "random")
    capacity_run(ResultsStore(str(tmp_path)), fleet, 300, seed=4, platform="local")
    asked = ("--rps", "200", "--p99", "300ms", "--results", str(tmp_path))
    text, as_json = invoke(*asked), invoke(*asked, "--format", "json")
    assert (text.exit_code, as_json.exit_code) == (5, 5)
    assert text.stdout.startswith("A rehearsal on one machine, not a plan for a cluster: ")
    assert json.loads(as_json.stdout)["rehearsal"] is True


def test_a_plan_as_json_has_the_same_at_full_precision(results):
    result = invoke("--rps", "200", "--p99", "0.3s", "--zones", "2", "--results", results, "--format", "json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["asked"] == {"rps": 200, "p99_ms": 300, "zones": 2, "headroom": 0}
    assert found["rehearsal"] is False
    [candidate] = found["candidates"]
    assert found["best"] == candidate["label"] == "2n-8c-16r-interop4"
    assert candidate["shape"]["nodes"] == candidate["nodes"]["planned"]
    hourly = sum(item["hourly"] for item in candidate["cost"]["line_items"])
    assert candidate["monthly"] == pytest.approx(730 * hourly)
    assert candidate["node_capacity"]["basis"] == "measured"
    assert candidate["p99_ms"] <= 300
    assert candidate["scaling"]["threads"] == 2
    assert candidate["lost_zone"]["nodes_lost"] > 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--rps", "0", "--p99", "300ms"), "--rps 0"),
        (("--rps", "nan", "--p99", "300ms"), "--rps nan"),
        (("--rps", "10", "--p99", "300"), "--p99 300"),
        (("--rps", "10", "--p99", "0ms"), "--p99 0ms"),
        (("--rps", "10", "--p99", "300ms", "--zones", "0"), "--zones 0"),
        (("--rps", "10", "--p99", "300ms", "--headroom", "0.3"), "--headroom 0.3"),
        (
            ("--rps", "10", "--p99", "300ms", "--results", "/nothing/here"),
            "store '/nothing/here' does not exist; give a folder",
        ),
    ],
)
def test_bad_input_is_one_line_on_stderr_and_no_traceback(arguments, named):
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert named in result.stderr
    assert result.stderr.startswith("shapebench: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_p99_that_no_run_reaches_is_an_error_that_names_the_runs(results):
    result = invoke("--rps", "10", "--p99", "10ms", "--results", results)
    assert result.exit_code == 1
    assert "allows a plan for a p99 of 10 ms" in result.stderr
    assert "kept a p99 of 10 ms (the lowest of any step is" in result.stderr


def test_times_and_shares_need_their_units():
    assert parse_ms("--p99", "1.5s") == 1500
    assert parse_ms("--p99", " 300 ms") == 300
    assert parse_share("--headroom", "12.5%") == 0.125
    for text in ("", "ms", "-1ms", "1m", "1e3ms"):
        with pytest.raises(CommandError, match="--p99"):
            parse_ms("--p99", text)
