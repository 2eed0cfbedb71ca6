import json

import pytest
from typer.testing import CliRunner

from analysis.planning.fleet import fleet_capacity
from analysis.results.storage.store import ResultsStore
from bench.fleets.searches import searched_run
from bench.fleets.truth import Server, steady
from bench.stores import synthetic
from bench.stores.synthetic import make_manifest, make_rows, write_run
from shapebench.cli import app
from shapebench.commands.planning.plan import parse_requirement, parse_share
from shapebench.output import CommandError
from stacks.load.load_profiles import PROFILES

FAST = synthetic.Server(capacity_rps=30, service_ms=20)


def invoke(*arguments: str):
    return CliRunner().invoke(app, ("plan", *arguments))


def test_a_plan_has_nodes_bills_range_and_the_loss_of_a_zone(results):
    result = invoke("--rps", "200", "--p99", "300ms", "--zones", "3", "--headroom", "10%", "--results", results)
    assert result.exit_code == 0, result.stderr
    for said in (
        "200 requests per second with 10% of headroom at a p99 of 300 ms need",
        "of e2-custom-8-16384 (8cpu-16gb · interop4) in 3 zones, so that one zone may be lost",
        "Monthly bill by load, USD (nodes)",
        "* The cheapest",
        "serving nodes: vCPUs",
        "cluster fee",
        "NAT gateway: machines",
        "Range: ",
        "Clients: so many that each request goes to any node at random",
        "Loss of a zone: ",
        "traffic between zones",
    ):
        assert said in result.stdout, said


def test_a_number_of_clients_and_what_it_changes_are_said(results, monkeypatch):
    monkeypatch.setattr(fleet_capacity, "_REQUESTS", dict.fromkeys(fleet_capacity._REQUESTS, 8_000))
    result = invoke("--rps", "60", "--p99", "300ms", "--clients", "50", "--results", results)
    assert result.exit_code == 0, result.stderr
    assert "Clients: 50, each over connections that stay with their node. By simulation a node carries" in result.stdout
    assert "serves at most 2 at once, with a contention of 0.00. Each level of load of the run is" in result.stdout


def test_without_a_latency_limit_it_is_that_of_the_searches(results):
    result = invoke("--rps", "200", "--results", results)
    assert result.exit_code == 0, result.stderr
    assert "at a p99 of 300 ms need" in result.stdout


def test_a_plan_from_local_runs_is_a_rehearsal(tmp_path):
    searched_run(ResultsStore(str(tmp_path)), Server(2, steady(80)), 2, 300, seed=4, platform="local")
    asked = ("--rps", "200", "--p99", "300ms", "--results", str(tmp_path))
    text, as_json = invoke(*asked), invoke(*asked, "--format", "json")
    assert (text.exit_code, as_json.exit_code) == (5, 5)
    assert text.stdout.startswith("A rehearsal on one machine, not a plan for a cluster: ")
    assert json.loads(as_json.stdout)["rehearsal"] is True


def test_a_plan_as_json_has_the_same_at_full_precision(results):
    result = invoke("--rps", "200", "--p99", "0.3s", "--zones", "2", "--results", results, "--format", "json")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["asked"] == {"rps": 200, "zones": 2, "headroom": 0, "clients": None}
    assert found["objective"]["latency_ms"] == 300
    assert found["rehearsal"] is False
    candidate, other = found["candidates"]
    assert found["best"] == candidate["label"]
    assert candidate["monthly"] < other["monthly"]
    assert candidate["shape"]["nodes"] == candidate["nodes"]["planned"]
    hourly = sum(item["hourly"] for item in candidate["cost"]["line_items"])
    assert candidate["monthly"] == pytest.approx(730 * hourly)
    assert [bill["rps"] for bill in candidate["bills"]] == [50, 100, 200, 400, 800]
    assert candidate["bills"][2]["usd_730h"] == pytest.approx(candidate["monthly"])
    lost = candidate["lost_zone"]
    assert lost["nodes_lost"] > 0
    assert lost["error_ratio_until_noticed"] == lost["nodes_lost"] / candidate["nodes"]["planned"]
    assert {each["label"] for each in found["cheapest"]} <= {candidate["label"], other["label"]}


def test_json_has_the_simulated_replica_of_each_candidate(results, monkeypatch):
    monkeypatch.setattr(fleet_capacity, "_REQUESTS", dict.fromkeys(fleet_capacity._REQUESTS, 8_000))
    asked = ("--rps", "60", "--p99", "300ms", "--clients", "50", "--results", results, "--format", "json")
    found = [candidate["clients"] for candidate in json.loads(invoke(*asked).stdout)["candidates"]]
    assert sorted(clients["law"]["at_once"] for clients in found) == [1, 2]
    assert [clients["begun_among"] for clients in found] == [1, 1], "both queues are in order"
    assert all(0 < clients["relative_capacity"] < 2 and 0 <= clients["error"] < 0.15 for clients in found)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--rps", "0", "--p99", "300ms"), "--rps is 0"),
        (("--rps", "nan", "--p99", "300ms"), "--rps is nan"),
        (("--rps", "10", "--p99", "300"), "p99 '300'"),
        (("--rps", "10", "--p99", "0ms"), "p99 '0ms'"),
        (("--rps", "10", "--p99", "300ms", "--p90", "200ms"), "one latency limit"),
        (("--rps", "10", "--p99", "300ms", "--zones", "0"), "--zones is 0"),
        (("--rps", "10", "--p99", "300ms", "--clients", "0"), "--clients is 0"),
        (("--rps", "10", "--p99", "300ms", "--headroom", "0.3"), "--headroom is '0.3'"),
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


def test_an_objective_that_no_run_says_anything_about_is_an_error_that_names_the_runs(results):
    result = invoke("--rps", "10", "--p99", "10ms", "--results", results)
    assert result.exit_code == 1
    assert "can be planned at a p99 within 10 ms: " in result.stderr
    assert "`shapebench verdict --p99 10ms --errors 0.1% --results" in result.stderr


def test_runs_without_a_search_need_a_latency_limit(tmp_path):
    write_run(ResultsStore(str(tmp_path)), make_manifest(PROFILES["smoke"]), make_rows(PROFILES["smoke"], FAST))
    result = invoke("--rps", "10", "--results", str(tmp_path))
    assert result.exit_code == 1
    assert result.stderr.endswith("so no latency limit is known; give one, such as --p99 400ms\n")


def test_a_store_without_runs_is_an_error_without_a_latency_limit_too(tmp_path):
    result = invoke("--rps", "10", "--results", str(tmp_path))
    assert result.exit_code == 1
    assert "; name another results store, or make a run: `pulumi up --stack local`" in result.stderr


def test_shares_need_their_unit_and_clients_are_optional():
    assert parse_share("--headroom", "12.5%") == 0.125
    assert parse_requirement(10, 1, "0%", None).terms.clients is None
    with pytest.raises(CommandError, match="--headroom"):
        parse_share("--headroom", "30")
