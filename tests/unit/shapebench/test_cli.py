import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from jsonschema import Draft202012Validator, validate
from typer.testing import CliRunner

from analysis.formatting import money
from analysis.pricing import ON_DEMAND, cost
from analysis.pricing.snapshot import FOLDER, newest_snapshot
from analysis.results.schema.manifest import Repeat, Replica, Validity
from analysis.results.schema.plain_text import plain
from analysis.results.storage.store import ResultsStore, new_run_id
from bench.stores.synthetic import Server, make_manifest, make_older, make_rows, make_search, write_run
from shapebench.cli import app
from stacks.load.load_profiles import PROFILES
from stacks.version import VERSION
from tools.pins import ROOT

SMOKE = PROFILES["smoke"]
HEAVY = {"altair", "numpy", "pandas", "pulumi", "pyarrow", "tensorflow", "vl_convert"}


@pytest.fixture
def store(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    rows = make_rows(SMOKE, Server(capacity_rps=30, service_ms=20))
    write_run(store, make_manifest(SMOKE), rows)
    invalid = Validity(verdict="invalid", reasons=("the server died",))
    write_run(store, make_manifest(SMOKE, "2cpu-4gb", "e2-custom-2-4096", 8, validity=invalid), rows)
    return store


def invoke(*arguments: str):
    return CliRunner().invoke(app, arguments)


def test_runs_lists_every_finished_run_and_why_one_is_invalid(store):
    result = invoke("runs", "--results", store.uri)
    assert result.exit_code == 0
    assert "8cpu-16gb" in result.stdout
    assert "INVALID" in result.stdout
    assert "the server died" in result.stderr


def test_runs_marks_a_run_that_other_programs_disturbed(tmp_path):
    store, reason = (
        ResultsStore(str(tmp_path)),
        "the run was disturbed: other programs used 1.57 of this machine's 2 cores",
    )
    write_run(store, *make_search(30.0, validity=Validity(verdict="invalid", reasons=(reason,))))
    result = invoke("runs", "--results", store.uri)
    assert "INVALID, disturbed" in result.stdout
    assert reason in result.stderr
    [run] = json.loads(invoke("runs", "--results", store.uri, "--format", "json").stdout)["runs"]
    assert not run["valid"]
    assert run["other_cpu"] is None, "this run does not say how much that was"


def test_runs_as_json_has_full_precision_and_names_what_was_skipped(store, tmp_path):
    (tmp_path / "results" / "runs" / "notes.txt").write_text("hello")
    result = invoke("runs", "--results", store.uri, "--format", "json")
    found = json.loads(result.stdout)
    valid, invalid = found["runs"]
    assert valid["stack"] == "8cpu-16gb"
    assert valid["valid"]
    assert valid["usd_per_million_good"] == pytest.approx(valid["usd_hourly"] / valid["goodput_rps"] / 3600 * 1e6)
    assert invalid["reasons"] == ["the server died"]
    assert [problem["path"] for problem in found["problems"]] == ["runs/notes.txt"]


@pytest.fixture
def repeated(store):
    ids = [new_run_id(), new_run_id()]
    for index, run_id in enumerate(ids, 1):
        manifest = make_manifest(SMOKE, "4cpu-8gb", run_id=run_id, repeat=Repeat(group=ids[0], index=index, of=2))
        write_run(store, manifest, make_rows(SMOKE, Server(capacity_rps=10 * index, service_ms=20)))
    return store, ids


def test_runs_and_exports_say_which_runs_compare_and_on_which_cpu_they_ran(tmp_path):
    uri = str(tmp_path / "results")
    rows = make_rows(SMOKE, Server(capacity_rps=30, service_ms=20))
    for model in ("Xeon", "EPYC", "Xeon"):
        write_run(ResultsStore(uri), make_manifest(SMOKE, replicas=(Replica(name="s0", cpu_model=model),)), rows)
    found = json.loads(invoke("runs", "--results", uri, "--format", "json").stdout)
    listed = {each["run_id"]: each for each in found["runs"]}
    groups = {(each["cpu"], each["comparison_group"]) for each in listed.values()}
    assert sorted(cpu for cpu, _ in groups) == ["EPYC", "Xeon"]
    assert len({group for _, group in groups}) == 2
    text = invoke("runs", "--results", uri).stdout
    assert sorted(text.count(group) for _, group in groups) == [1, 2]
    assert invoke("export", "--results", uri, "--out", str(tmp_path / "export")).exit_code == 0
    for row in pd.read_csv(tmp_path / "export/runs.csv").to_dict("records"):
        run = listed[row["run_id"]]
        assert (row["cpu"], row["comparison_group"]) == (run["cpu"], run["comparison_group"])
        assert json.loads(row["replicas"])[0]["cpu_model"] == row["cpu"]


def test_runs_shows_the_variation_between_repeats_and_within_a_run(repeated):
    store, ids = repeated
    shown = invoke("runs", "--results", store.uri).stdout
    assert "between runs, %" in shown
    assert "within a run, %" in shown
    found = json.loads(invoke("runs", "--results", store.uri, "--format", "json").stdout)
    (group,) = found["repeats"]
    assert group["run_ids"] == ids
    assert group["figures"]["goodput_rps"]["from_run_to_run"] > group["figures"]["goodput_rps"]["within_a_run"] > 0
    assert [run["repeat"] and run["repeat"]["index"] for run in found["runs"]] == [None, None, 1, 2]


def test_the_report_shows_the_variation_between_repeats(repeated, tmp_path):
    store, _ = repeated
    invoke("report", "--results", store.uri, "--out", str(tmp_path / "report"))
    for name in ("report.html", "report.md"):
        written = (tmp_path / "report" / name).read_text()
        assert "Variation between repeats" in written
        assert "good, 1/s" in written


def test_runs_of_an_empty_store_say_how_to_get_one(tmp_path):
    result = invoke("runs", "--results", str(tmp_path))
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "pulumi up --stack local" in result.stderr


COMMANDS = [
    ("runs",),
    ("runs", "--format", "json"),
    ("verdict",),
    ("verdict", "--format", "json"),
    ("verdict", "--format", "markdown"),
    ("latest",),
    ("latest", "--format", "json"),
    ("plan", "--rps", "10", "--p99", "900ms"),
    ("plan", "--rps", "10", "--p99", "900ms", "--format", "json"),
    ("report",),
    ("export",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_results_folder_that_does_not_exist_is_an_error(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke(*command, "--results", "nothing")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "shapebench: the results store 'nothing' does not exist; give a folder that holds runs, or make one with"
        " `pulumi up --stack local`\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_what_was_skipped_is_said_in_every_format(command, store, tmp_path):
    # Absolute, because the processes that draw charts keep the working folder in which they began.
    out = ("--out", str(tmp_path / "export")) if command[0] in {"report", "export"} else ()
    (tmp_path / "results/runs/notes.txt").write_text("hello")
    [manifest, _] = (tmp_path / "results/runs").glob("*/*.json")
    (tmp_path / "results/runs" / "stack=4cpu-8gb").mkdir()
    shutil.copy(manifest, tmp_path / "results/runs/stack=4cpu-8gb")
    unfinished = store.write_rows("local", new_run_id(), "w0", make_rows(SMOKE, Server(30, 20)))
    assert unfinished.rows
    result = invoke(*command, *out, "--results", store.uri)
    paths = ["runs/notes.txt", f"runs/stack=4cpu-8gb/{manifest.name}"]
    if command[0] == "plan":
        # There is no plan to print; what was skipped may be why.
        assert all(f"skipped: {path} " in result.stderr for path in paths)
    elif "json" in command:
        found = json.loads(result.stdout)
        assert [each["path"] for each in found["problems"]] == paths
        assert [each.split("/run_id=")[0] for each in found["unfinished"]] == ["requests/stack=local"]
    else:
        for path in paths:
            assert f"skipped: {path} " in result.stderr
        assert "unfinished: requests/stack=local/run_id=" in result.stderr
    # No run searched for the capacity.
    assert result.exit_code == {"verdict": 4, "plan": 1}.get(command[0], 0)
    if command == ("export",):
        skipped = pd.read_csv(tmp_path / "export/skipped.csv")["path"]
        assert [each.split("/run_id=")[0] for each in skipped] == [*paths, "requests/stack=local"]


def test_a_run_that_is_not_verified_says_so(store):
    manifest = write_run(store, make_manifest(SMOKE), make_rows(SMOKE, Server(30, 20)))
    make_older(Path(store.uri) / f"runs/stack={manifest.stack}/{manifest.run_id}.json")
    assert invoke("runs", "--results", store.uri).stdout.count("valid, not verified") == 1
    found = json.loads(invoke("runs", "--results", store.uri, "--format", "json").stdout)["runs"]
    assert {each["run_id"]: each["verified"] for each in found}[manifest.run_id] is False
    assert [each["verified"] for each in found].count(True) == 2


def test_an_export_with_rows_leaves_out_those_of_a_damaged_run_and_says_so(store, tmp_path):
    part = next((tmp_path / "results/requests/stack=8cpu-16gb").rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-4] + b"PAR2")
    result = invoke("export", "--results", store.uri, "--out", str(tmp_path / "export"), "--rows")
    assert result.exit_code == 0
    assert len(list((tmp_path / "export/rows").glob("*.csv"))) == 1
    assert f"skipped: the rows of {part.parent.name.replace('run_id=', 'run ')}: requests/" in result.stderr


def test_report_writes_both_files_and_prints_the_answer_and_what_to_run_next(store, tmp_path):
    nothing = invoke("report", "--results", store.uri, "--out", str(tmp_path / "other"), "--p99", "300ms")
    assert "    shapebench sweep --stack 8cpu-16gb " in nothing.stdout
    add_searches(store)
    result = invoke("report", "--results", store.uri, "--out", str(tmp_path / "new" / "folder"))
    assert result.exit_code == 0
    assert result.stdout.startswith("A million predictions cost ")
    for name in ("report.html", "report.md"):
        assert (tmp_path / "new" / "folder" / name).stat().st_size > 1000
        assert str(tmp_path / "new" / "folder" / name) in result.stdout.splitlines()


def test_export_writes_a_folder_and_names_its_files(store, tmp_path):
    result = invoke("export", "--results", store.uri, "--out", str(tmp_path / "export"))
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [str(path) for path in sorted((tmp_path / "export").rglob("*.*"))]
    again = invoke("export", "--results", store.uri, "--out", str(tmp_path / "export"))
    assert again.exit_code == 1
    assert again.stderr.startswith(f"shapebench: {tmp_path / 'export'} exists")
    assert "seed.csv" not in result.stdout
    beside = invoke("export", "--results", store.uri, "--out", str(tmp_path / "beside"), "--seed")
    assert str(tmp_path / "beside" / "seed.csv") in beside.stdout.splitlines()
    empty = invoke("export", "--results", str(tmp_path / "none"), "--out", str(tmp_path / "other"))
    assert (empty.exit_code, (tmp_path / "other").exists()) == (1, False)
    assert "pulumi up --stack local" in empty.stderr


def test_price_of_a_stack_is_that_of_its_file():
    result = invoke("price", "--stack", "8cpu-16gb", "--format", "json")
    [priced] = json.loads(result.stdout)
    assert priced["shape"]["machine_type"] == "e2-custom-8-16384"
    nodes_only = next(one for one in priced["sums"] if one["name"] == "nodes only")
    assert nodes_only["hourly"] * 24 == pytest.approx(11.15, abs=0.005)


def test_price_of_a_gke_stack_shows_what_only_the_test_needs_and_what_a_run_costs():
    result = invoke("price", "--stack", "8cpu-16gb")
    assert "model bucket" in result.stdout
    assert "load nodes: vCPUs" in result.stdout
    assert "One run of up to 320 s costs up to 0.0637 USD" in result.stderr
    [priced] = json.loads(invoke("price", "--stack", "8cpu-16gb", "--format", "json").stdout)
    hourly = priced["cost"]["hourly"] + priced["test"]["hourly"]
    assert priced["run_usd"] == pytest.approx(hourly * 320 / 3600)


@pytest.mark.parametrize("arguments", [("--stack", "local"), ("--shape", "2xe2-highmem-8")])
def test_a_stack_without_load_test_nodes_has_no_price_of_a_test(arguments):
    [priced] = json.loads(invoke("price", *arguments, "--format", "json").stdout)
    assert priced["test"] is None
    assert priced["run_usd"] is None


def test_price_of_all_stacks_has_the_published_shapes_and_explains_local():
    result = invoke("price")
    assert result.exit_code == 0
    for stack, usd_24h in {"2cpu-4gb": 11.15, "4cpu-8gb": 11.15, "8cpu-16gb": 11.15, "8cpu-64gb": 17.36}.items():
        [line] = [line for line in result.stdout.splitlines() if line.startswith(stack)]
        assert f"{usd_24h}" in line
    assert "stands in for" in result.stderr


def test_price_of_a_shape_needs_no_stack():
    result = invoke("price", "--shape", "3xe2-highmem-8")
    assert result.exit_code == 0
    assert "24 vCPU" in result.stdout
    assert "192 GB" in result.stdout


def test_price_where_one_is_not_known_is_a_lower_bound_and_says_so(monkeypatch):
    known = newest_snapshot()
    without_disks = {billed: price for billed, price in known.prices.items() if billed.resource != "pd-balanced"}
    monkeypatch.setattr(cost, "newest_snapshot", lambda: replace(known, prices=without_disks))
    result = invoke("price", "--stack", "8cpu-16gb", "--format", "json")
    [priced] = json.loads(result.stdout)
    assert priced["cost"]["hourly"] is None
    assert "boot disks" in priced["why_unpriced"]
    assert "lower bound" in invoke("price", "--stack", "8cpu-16gb").stderr


@pytest.mark.parametrize("arguments", [(), ("--stack", "8cpu-16gb"), ("--format", "json")])
def test_a_region_without_any_price_is_an_error_that_names_those_with_prices(arguments):
    result = invoke("price", "--region", "europe-west3", *arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    for part in ("no price in europe-west3", "us-central1", "--refresh"):
        assert part in result.stderr


def test_a_day_of_a_shape_costs_the_same_in_the_price_list_and_beside_the_published_experiments(tmp_path):
    [priced] = json.loads(invoke("price", "--stack", "8cpu-16gb", "--format", "json").stdout)
    store = ResultsStore(str(tmp_path / "results"))
    write_run(store, make_manifest(SMOKE), make_rows(SMOKE, Server(capacity_rps=30, service_ms=20)))
    exported = tmp_path / "export"
    assert invoke("export", "--results", store.uri, "--out", str(exported), "--seed").exit_code == 0
    rows = csv.DictReader((exported / "seed.csv").open(encoding="utf-8"))
    [day] = {row["usd_24h"] for row in rows if row["experiment"] == "2n-8c-16r-interop2"}
    assert float(day) == pytest.approx(24 * priced["cost"]["hourly"])


def test_other_ways_to_buy_are_columns_if_the_price_list_has_them(monkeypatch):
    on_demand = invoke("price").stdout
    assert "spot" not in on_demand
    known = newest_snapshot()
    spot = {
        replace(billed, usage="spot"): replace(price, unit_price=price.unit_price / 3)
        for billed, price in known.prices.items()
        if billed.usage == ON_DEMAND
    }
    monkeypatch.setattr(cost, "newest_snapshot", lambda: replace(known, prices={**known.prices, **spot}))
    side_by_side = invoke("price").stdout
    assert "all, spot, USD/730 h" in side_by_side
    assert "commit-1y" not in side_by_side
    [plain] = json.loads(invoke("price", "--stack", "8cpu-64gb", "--format", "json").stdout)
    machines = sum(item["hourly"] for item in plain["cost"]["line_items"] if item["category"] == "serving nodes")
    as_spot = money((plain["cost"]["hourly"] - machines * 2 / 3) * 730)
    [line] = [line for line in side_by_side.splitlines() if line.startswith("8cpu-64gb")]
    assert line.split()[-1] == as_spot


def test_a_refresh_without_credentials_changes_nothing_and_says_how_to_get_some(monkeypatch, tmp_path):
    lists = sorted(FOLDER.iterdir())
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    result = invoke("price", "--refresh")
    assert result.exit_code == 1
    assert "gcloud auth application-default login" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert sorted(FOLDER.iterdir()) == lists


SCHEMA = json.loads((ROOT / "docs/verdict.schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def searches(store):
    """Beside a closed loop and an invalid run: searches of two variants, one twice as dear."""
    return add_searches(store)


def add_searches(store):
    for seed in (1, 2, 3):
        deployment = f"d{seed:011x}"
        write_run(store, *make_search(60 + seed, seed, deployment=deployment))
        shape = {"stack": "4cpu-8gb", "machine_type": "e2-custom-4-8192", "nodes": 4}
        write_run(store, *make_search(30 + seed, seed, deployment=deployment, **shape))
    return store


def search_three_stacks_on_two_cpus(store, platform):
    """The last of them on another CPU; returns that run."""
    xeon, epyc = ((Replica(name="s", cpu_model=model),) for model in ("Xeon", "EPYC"))
    stacks = (("8cpu-16gb", "e2-custom-8-16384", xeon), ("8cpu-64gb", "e2-highmem-8", xeon))
    for at, (stack, machine_type, replicas) in enumerate((*stacks, ("4cpu-8gb", "e2-custom-4-8192", epyc))):
        last = write_run(
            store,
            *make_search(60 - at, at, stack=stack, machine_type=machine_type, replicas=replicas, platform=platform),
        )
    return last


def test_verdict_ranks_runs_on_every_cpu_that_came_by_chance_and_prints_what_each_costs(store):
    search_three_stacks_on_two_cpus(store, "gke")
    found = json.loads(invoke("verdict", "--results", store.uri, "--format", "json").stdout)
    validate(found, SCHEMA)
    assert found["left_out_for_cpu"] == []
    assert {each["stack"]: [on["nodes"] for on in each["cpus"]] for each in found["ranking"]} == {
        "8cpu-16gb": [2, 1], "8cpu-64gb": [2, 1], "4cpu-8gb": [2, 1]
    }  # fmt: skip
    assert [on["cpu"] for on in found["ranking"][0]["cpus"]] == ["Xeon", "EPYC"]
    table = invoke("verdict", "--results", store.uri, "--format", "markdown").stdout
    assert "| variant | CPU model | share of nodes, % | nodes seen | USD/million | capacity, 1/s |" in table


def test_verdict_names_the_runs_that_are_left_out_for_their_cpus_and_what_tells_the_prices_apart(store):
    other = search_three_stacks_on_two_cpus(store, "kubernetes")
    found = json.loads(invoke("verdict", "--results", store.uri, "--format", "json").stdout)
    validate(found, SCHEMA)
    (left_out,) = found["left_out_for_cpu"]
    assert (left_out["stack"], left_out["run_ids"]) == ("4cpu-8gb", [other.run_id])
    assert (left_out["cpu_shares"], left_out["ranked_cpu_shares"]) == ({"EPYC": 1}, {"Xeon": 1})
    assert left_out["why"].startswith(
        "1 run of 4cpu-8gb · interop4 is left out of the ranking, because it ran on EPYC,"
    )
    (price_note,) = found["price_notes"]
    assert "costs 5 % more than one of its predefined types (8cpu-64gb)" in price_note
    text = " ".join(invoke("verdict", "--results", store.uri).stdout.split())
    for said in (left_out["why"], price_note):
        assert f"{said}." in text
        assert f"{said}." in found["verdict"]


def test_a_verdict_at_spot_prices_says_so_and_why_custom_types_have_none(searches):
    asked = ("verdict", "--price", "spot", "--results", searches.uri)
    found = json.loads(invoke(*asked, "--format", "json").stdout)
    validate(found, SCHEMA)
    assert (found["prices"], found["ranking"]) == ("spot", [])
    result = invoke(*asked)
    assert result.exit_code == 4
    assert "no interruption is counted" in " ".join(result.stdout.split())
    assert "its cost at spot prices is not known" in " ".join(result.stderr.split())


def test_verdict_as_json_keeps_its_published_schema(searches):
    result = invoke("verdict", "--results", searches.uri, "--format", "json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0
    validate(found, SCHEMA)
    assert found["best"] == ["8cpu-16gb · interop4"]
    assert found["verdict"].startswith("With p99 within 500 ms and at most 0.1 % failed, a million predictions cost")
    assert (found["rehearsal"], found["prices"]) == (False, "on-demand")
    assert [(each["label"], each["meets"], each["deployments"], each["runs"]) for each in found["ranking"]] == [
        ("8cpu-16gb · interop4", "yes", 3, 3), ("4cpu-8gb · interop4", "yes", 3, 3)
    ]  # fmt: skip
    first, second = found["ranking"]
    assert first["at_most_more_percent"] == 0
    assert second["at_most_more_percent"] > 80
    usd, rps = first["usd_per_million"]["value"], first["capacity_rps"]["value"]
    [hourly] = {run["usd_hourly"] for run in _runs(searches) if run["stack"] == "8cpu-16gb"}
    assert usd == pytest.approx(hourly / (rps * 3600) * 1e6)
    assert [each["reasons"] for each in found["excluded"]] == [
        ["a closed loop that did not saturate says nothing about capacity; run a capacity search"],
        ["the server died"],
    ]


def _runs(store):
    return json.loads(invoke("runs", "--results", store.uri, "--format", "json").stdout)["runs"]


@pytest.mark.parametrize("asked", [(), ("--p99", "300ms"), ("--budget", "1")])
def test_the_schema_holds_whatever_the_verdict_is(store, tmp_path, asked):
    (tmp_path / "empty").mkdir()
    for uri in (str(tmp_path / "empty"), store.uri, add_searches(store).uri):
        validate(json.loads(invoke("verdict", "--results", uri, "--format", "json", *asked).stdout), SCHEMA)


def test_the_schema_refuses_what_it_does_not_describe(searches):
    found = json.loads(invoke("verdict", "--results", searches.uri, "--format", "json").stdout)
    validator = Draft202012Validator(SCHEMA)
    for path, wrong in (
        (("ranking", 0, "meets"), "perhaps"),
        (("ranking", 0, "capacity_rps", "high"), "inf"),
        (("ranking", 0, "other"), 1),
        (("rehearsal",), None),
    ):
        broken = json.loads(json.dumps(found))
        at = broken
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = wrong
        assert not validator.is_valid(broken), path


@pytest.mark.parametrize(
    ("asked", "code", "said"),
    [
        ((), 0, "a million predictions cost"),
        (("--budget", "1"), 3, "is over the budget"),
        (("--budget", "1000"), 0, "the highest of 2 variants within 1"),
        (("--p99", "200ms"), 4, "--p99 200ms --errors 0.1% --strategy grid"),
    ],
)
def test_the_exit_code_agrees_with_the_verdict(searches, asked, code, said):
    for output in ("text", "json", "markdown"):
        result = invoke("verdict", "--results", searches.uri, "--format", output, *asked)
        assert result.exit_code == code
        assert said in result.stdout


def test_a_closed_loop_is_not_ranked_and_the_command_that_searches_is_printed(store):
    result = invoke("verdict", "--results", store.uri, "--p99", "400ms")
    assert result.exit_code == 4
    assert "    shapebench sweep --stack 8cpu-16gb " in result.stdout
    assert f"--p99 400ms --errors 0.1% --strategy grid --blocks 1 --results {store.uri}\n" in result.stdout
    assert "a closed loop that did not saturate says nothing about capacity" in result.stderr


def test_searches_for_several_objectives_are_an_error_that_names_the_options(searches, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = PROFILES["capacity"].model_copy(update={"latency_ms": 300.0})
    write_run(searches, *make_search(50, load=other))
    for command in (("verdict",), ("report",), ("export",)):
        result = invoke(*command, "--results", searches.uri)
        assert result.exit_code == 1
        assert "--p99 300ms --errors 0.1%, or --p99 500ms --errors 0.1%" in result.stderr
    assert invoke("verdict", "--results", searches.uri, "--p99", "500ms").exit_code == 0


def test_verdict_in_text_and_markdown_has_the_ranking_the_claims_and_what_was_left_out(searches):
    for output in ("text", "markdown"):
        result = invoke("verdict", "--results", searches.uri, "--format", output)
        [line] = [line for line in result.stdout.splitlines() if "8cpu-16gb · interop4" in line and " best " in line]
        assert line.lstrip("| *").split("8cpu-16gb · interop4", 1)[1].lstrip("*").strip(" |").startswith("best")
        for claim in ("Fewer and larger machines are better", "Memory does not matter", "inter_op needs tuning"):
            assert claim in result.stdout
        assert "the server died" in result.stderr


def test_a_verdict_on_local_runs_is_a_rehearsal_whatever_it_says(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    rows = make_rows(SMOKE, Server(capacity_rps=30, service_ms=20))
    write_run(store, make_manifest(SMOKE, "local", platform="local"), rows)
    for searched in (False, True):
        if searched:
            write_run(store, *make_search(10, stack="local", platform="local"))
        formats = ("text", "markdown", "json")
        said = {each: invoke("verdict", "--results", store.uri, "--format", each) for each in formats}
        assert {each.exit_code for each in said.values()} == {5}
        for output in ("text", "markdown"):
            assert said[output].stdout.startswith("A rehearsal on one machine, not a verdict about shapes. ")
        found = json.loads(said["json"].stdout)
        assert found["rehearsal"] is True
        assert len(found["ranking"]) == searched
        assert found["verdict"].startswith("A rehearsal on one machine")
    # Of both, the runs of a cluster are ranked.
    write_run(store, *make_search(60))
    assert invoke("verdict", "--results", store.uri).exit_code == 0


def test_verdict_of_an_empty_store_cannot_tell_and_says_how_to_get_a_run(tmp_path):
    result = invoke("verdict", "--results", str(tmp_path))
    assert result.exit_code == 4
    assert "give one, such as --p99 400ms" in result.stdout
    assert "No run says what the capacity" in invoke("verdict", "--results", str(tmp_path), "--p90", "2s").stdout
    assert "pulumi up --stack local" in result.stderr


def test_verdict_takes_its_objective_from_a_file(searches, tmp_path):
    (tmp_path / "objective.yaml").write_text("budget: 1\n")
    asked = ("verdict", "--results", searches.uri, "--objective", str(tmp_path / "objective.yaml"))
    assert invoke(*asked).exit_code == 3
    assert invoke(*asked, "--budget", "1000").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("verdict", "--p99", "quick"), "quick"),
        (("verdict", "--objective", "/nothing/here.yaml"), "/nothing/here.yaml"),
        (("verdict", "--results", "nonsense://bucket"), "nonsense"),
        (("price", "--stack", "nope"), "nope"),
        (("price", "--shape", "two large ones"), "two large ones"),
        (("price", "--shape", "2xe9-gigantic-8"), "e9-gigantic-8"),
        (("price", "--shape", "99xe2-highmem-8"), "has 99 nodes, but a stack has 1 to 64"),
        (("price", "--shape", "2xe2-highmem-8", "--stack", "local"), "--shape and --stack"),
        (("runs", "--results", "nonsense://bucket"), "nonsense"),
        (("report", "--results", "/nothing/here"), "/nothing/here"),
    ],
)
def test_bad_input_is_one_line_on_stderr_and_no_traceback(arguments, named):
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert result.stdout == ""
    assert named in result.stderr
    assert result.stderr.startswith("shapebench: ")
    assert len(result.stderr.splitlines()) == 1


def test_every_command_explains_itself():
    for command in ("runs", "price", "report", "verdict", "plan", "doctor"):
        result = invoke(command, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.stdout


def test_help_shows_the_defaults_that_depend_on_something():
    for command, default in (("verdict", "5%"), ("price", "all"), ("janitor", "everywhere")):
        assert f"(default: {default})" in " ".join(invoke(command, "--help").stdout.replace("│", " ").split())


def test_starting_the_command_imports_nothing_heavy():
    code = "import sys, shapebench.cli; print(*sys.modules)"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert HEAVY.isdisjoint(output.split())


@pytest.mark.parametrize("output", ["json", "table"])
def test_a_reader_that_closes_the_pipe_is_no_error(store, output):
    command = [sys.executable, "-m", "shapebench", "runs", "--results", store.uri, "--format", output]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        running.stdout.close()
        said = running.stderr.read()
        running.wait()
    assert running.returncode == 128 + signal.SIGPIPE
    assert "roken pipe" not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_has_a_short_and_a_long_option(option):
    assert "Usage" in invoke("price", option).stdout


def test_the_version_is_that_of_manifests():
    assert invoke("--version").stdout == f"shapebench {VERSION}\n"


def test_a_shell_can_complete_commands():
    """As the script of `--install-completion` asks; that option itself looks for the shell that started it."""
    asked = {"_SHAPEBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "shapebench ver", "COMP_CWORD": "1"}
    program = ROOT / ".venv/bin/shapebench"
    shown = subprocess.run([program], env=os.environ | asked, capture_output=True, text=True, check=False)
    assert shown.stdout.split() == ["verdict"]


STEERING = "\x1b]0;pwned\x07 the server \u202ddied \x9b2J\x7f \U000e0041"


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (("runs",), "stderr"),
        (("runs", "--format", "json"), "stdout"),
        (("show",), "stdout"),
        (("verdict",), "stderr"),
        (("verdict", "--format", "markdown"), "stderr"),
        (("verdict", "--format", "json"), "stdout"),
    ],
)
def test_no_text_of_a_results_store_steers_the_terminal(tmp_path, arguments, where):
    store = ResultsStore(str(tmp_path / "results"))
    hostile = Validity(verdict="invalid", reasons=(STEERING,))
    rows = make_rows(SMOKE, Server(capacity_rps=30, service_ms=20))
    write_run(store, make_manifest(SMOKE, validity=hostile), rows)
    manifest = make_manifest(SMOKE)
    serving = manifest.serving.model_copy(update={"server": STEERING, "server_version": STEERING})
    write_run(store, manifest.model_copy(update={"serving": serving}), rows)
    foreign = write_run(store, make_manifest(SMOKE), rows)
    file = Path(store.uri) / f"runs/stack={foreign.stack}/{foreign.run_id}.json"
    file.write_text(file.read_text().replace('"tensorflow_model_server"', json.dumps(STEERING)))
    (file.parent / f"{STEERING}.json").write_text("{}")
    result = invoke(*arguments, "--results", store.uri)
    assert "the server" in getattr(result, where)
    categories = {unicodedata.category(each) for each in result.stdout + result.stderr if each != "\n"}
    assert not categories & {"Cc", "Cf"}
    if arguments[-1] == "json":
        assert any(plain(STEERING) in string for string in strings_in(json.loads(result.stdout))), (
            "it is stored in plain text"
        )


def strings_in(value):
    """Every text in a JSON document."""
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from strings_in(each)
