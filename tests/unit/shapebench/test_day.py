import json

import pytest
from typer.testing import CliRunner

from analysis.results.schema.manifest import Replica
from analysis.results.storage.store import ResultsStore
from bench.fleets.searches import searched_run
from bench.fleets.truth import Server, steady
from shapebench.cli import app

SMOOTH = ("--peak", "200", "--night", "20", "--p99", "300ms")


def invoke(*arguments: str):
    return CliRunner().invoke(app, ("day", *arguments))


def test_a_day_has_both_fleets_of_each_variant_and_says_what_overload_is(results):
    result = invoke(*SMOOTH, "--results", results)
    assert result.exit_code == 0, result.stderr
    for said in (
        "A day of 9\u202f504\u202f000 requests, 200 a second at its peak, at a p99 of 300 ms: the cheapest",
        " is the autoscaled fleet of",
        "USD a month of 730 h",
        "Bill of the day",
        "requests in overload, %",
        "It is not the share of late answers: up to this capacity at most 1 %",
        "a HorizontalPodAutoscaler on CPU with one pod a node, averageUtilization",
        "which the run does not show",
        "a pod on a new node serves 3 min after it is asked for, on an empty node 1 min",
    ):
        assert said in result.stdout, said
    rows = [line.split() for line in result.stdout.splitlines() if " · " in line and not line.startswith("A day")]
    assert sorted(word for row in rows for word in row if word in {"fixed", "autoscaled"}) == [
        *("autoscaled", "autoscaled"),
        *("fixed", "fixed"),
    ]


def test_a_file_is_the_same_as_the_shape_that_it_has(results, tmp_path):
    flat = tmp_path / "day.csv"
    flat.write_text("time,requests/s\n" + "".join(f"{hour}:00,200\n" for hour in range(0, 24, 6)))
    asked = ("--p99", "300ms", "--results", results, "--json")
    of_file = json.loads(invoke("--traffic", str(flat), *asked).stdout)
    of_shape = json.loads(invoke("--peak", "200", "--night", "200", *asked).stdout)
    assert of_file == of_shape


def test_a_day_as_json_has_the_same_at_full_precision(results):
    arguments = ("--zones", "2", "--headroom", "10%", "--start-up", "150s", "--results", results, "--json")
    result = invoke(*SMOOTH, *arguments)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["asked"] == {
        "headroom": 0.1, "zones": 2, "clients": None, "start_s": 150, "pod_start_s": None, "removal_s": 600,
        "min_nodes": 2,
    }  # fmt: skip
    assert found["traffic"] == {"requests": pytest.approx(9_504_000), "peak_rps": 200}
    assert found["objective"]["latency_ms"] == 300
    first = found["variants"][0]
    assert found["best"] == {"label": first["label"], "fleet": first["fleets"][0]["fleet"]}
    assert len(found["variants"]) == 2
    for variant in found["variants"]:
        assert variant["start_up"] == {"start_s": 150, "pod_start_s": 60, "starts": 0}
        cheaper, other = variant["fleets"]
        assert {cheaper["fleet"], other["fleet"]} == {"fixed", "autoscaled"}
        assert cheaper["usd_day"] <= other["usd_day"]
        assert cheaper["usd_730h"] == pytest.approx(cheaper["usd_day"] / 24 * 730)
        [autoscaled] = [fleet for fleet in variant["fleets"] if fleet["fleet"] == "autoscaled"]
        assert 0 < autoscaled["target_percent"] <= 100
        assert autoscaled["overloaded_share"] <= found["allowed_share"] == pytest.approx(0.01)
        assert autoscaled["nodes"]["fewest"] >= 2


def test_the_starts_that_runs_recorded_replace_the_assumed_ones(tmp_path):
    replicas = tuple(Replica(name=f"pod-{n}", ready_after_s=each) for n, each in enumerate((40.0, 130.0, 30.0)))
    searched_run(ResultsStore(str(tmp_path)), Server(2, steady(80)), 2, 300, seed=4, replicas=replicas)
    result = invoke(*SMOOTH, "--results", str(tmp_path))
    assert (
        "Start-up, with pods from 3 measured starts and new nodes as given or assumed: a pod on a new node serves"
        " 4.17 min after it is asked for, on an empty node 40 s. Assumed: an empty node is billed for 10 min."
    ) in result.stdout
    assumed = invoke(*SMOOTH, "--results", str(tmp_path), "--start-up", "3min", "--pod-start-up", "1min").stdout
    assert "Assumed, not measured: a pod on a new node serves 3 min after it is asked for" in assumed


def test_without_an_autoscaled_fleet_that_keeps_the_share_the_fixed_one_is_the_answer(results, tmp_path):
    path = tmp_path / "step.csv"
    path.write_text("time,requests/s\n0:00,5\n6:00,5\n11:59,5\n12:00,500\n18:00,500\n23:59,500\n")
    result = invoke("--traffic", str(path), "--p99", "300ms", "--start-up", "1h", "--results", results)
    assert result.exit_code == 0, result.stderr
    assert "the cheapest is the fixed fleet of" in result.stdout
    assert "No autoscaled fleet: with every CPU target from 10 % on, more than 1 % of the requests" in result.stdout


def test_a_day_from_local_runs_is_a_rehearsal(tmp_path):
    searched_run(ResultsStore(str(tmp_path)), Server(2, steady(80)), 2, 300, seed=4, platform="local")
    result = invoke(*SMOOTH, "--results", str(tmp_path))
    assert result.exit_code == 5
    assert result.stdout.startswith("A rehearsal on one machine, not a bill of a cluster: ")


def test_an_objective_that_no_run_says_anything_about_is_an_error_that_names_the_runs(results):
    result = invoke("--peak", "9", "--night", "1", "--p99", "10ms", "--results", results)
    assert result.exit_code == 1
    assert "can be planned at a p99 within 10 ms: " in result.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "the traffic of the day is not known; give --traffic day.csv, or both --peak 800 and --night 100"),
        (("--peak", "800"), "give --traffic day.csv, or both --peak 800 and --night 100"),
        (("--peak", "0", "--night", "0"), "--peak is 0"),
        (("--peak", "inf", "--night", "0"), "--peak is inf"),
        (("--peak", "100", "--night", "200"), "--night is 200, which is not a rate from 0 to --peak; give 0 to 100"),
        (("--peak", "100", "--night", "-1"), "--night is -1"),
        (("--peak", "100", "--night", "1", "--peak-at", "2 pm"), "--peak-at '2 pm' is not a time of day"),
        (("--traffic", "day.csv", "--peak", "100"), "--traffic and --peak or --night describe two days"),
        (("--traffic", "/nothing/day.csv"), "/nothing/day.csv cannot be used (No such file or directory)"),
        ((*SMOOTH, "--start-up", "3"), "--start-up is '3', which is not a duration up to 6h; give one such as 90s"),
        ((*SMOOTH, "--start-up", "7h"), "--start-up is '7h'"),
        (
            (*SMOOTH, "--pod-start-up", "5min", "--start-up", "3min"),
            "--pod-start-up is 5min, longer than --start-up (3min)",
        ),
        ((*SMOOTH, "--node-removal", "soon"), "--node-removal is 'soon'"),
        ((*SMOOTH, "--min-nodes", "0"), "--min-nodes is 0"),
        ((*SMOOTH, "--zones", "0"), "--zones is 0"),
        ((*SMOOTH, "--clients", "0"), "--clients is 0"),
        ((*SMOOTH, "--headroom", "0.3"), "--headroom is '0.3'"),
        ((*SMOOTH, "--p90", "1s"), "one latency limit"),
        ((*SMOOTH, "--results", "/nothing/here"), "store '/nothing/here' does not exist; give a folder"),
    ],
)
def test_bad_input_is_one_line_on_stderr_and_no_traceback(arguments, named):
    result = invoke(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert named in result.stderr
    assert result.stderr.startswith("shapebench: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_file_that_is_no_day_names_its_line(tmp_path):
    path = tmp_path / "day.csv"
    path.write_text("time,requests/s\n00:00,5\n06:00,many\n")
    result = invoke("--traffic", str(path), "--p99", "300ms")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"shapebench: {path}, line 3: requests/s 'many' is not a number")
