"""`shapebench estimate` ranks machine types before they are measured, and never calls it a verdict."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from analysis.estimate.speeds import newest_speeds
from analysis.results.schema.manifest import Model, Validity
from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import make_search, write_run
from shapebench.cli import app
from tests.support.saved_models import write_saved_model


def run(*arguments: str, exit_code: int = 0) -> Any:
    done = CliRunner().invoke(app, ["estimate", *arguments])
    assert done.exit_code == exit_code, done.output
    return done


@pytest.fixture
def no_run(tmp_path: Path) -> str:
    (tmp_path / "empty").mkdir()
    return str(tmp_path / "empty")


def estimated(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*arguments, "--json").stdout)
    found["by_name"] = {each["shape"]["name"]: each for each in found["estimates"]}
    return found


def test_without_runs_it_ranks_by_multiples_of_the_lowest_cost(no_run: str):
    found = estimated("--results", no_run)
    costs = [each["relative_cost"]["value"] for each in found["estimates"]]
    assert costs[0] == 1
    assert costs == sorted(costs)
    assert all(each["usd_per_million"] is None for each in found["estimates"])
    assert (found["is_estimate"], found["measured"]) == (True, [])


def test_a_cost_is_price_over_cores_times_speed(no_run: str):
    found = estimated("--results", no_run)["by_name"]
    n4d, t2d = found["2xn4d-highcpu-8"], found["2xt2d-standard-8"]
    per_core = newest_speeds().fit.per_core
    speed = math.exp(per_core["n4d", "AMD EPYC 9B45"] - per_core["t2d", "AMD EPYC 7B13"])
    expected = t2d["usd_hourly"] / 16 / (n4d["usd_hourly"] / (8 * speed))
    assert t2d["relative_cost"]["value"] / n4d["relative_cost"]["value"] == pytest.approx(expected)


def test_the_text_says_that_it_is_an_estimate_and_what_its_error_is(no_run: str):
    done = run("--results", no_run, "--p99", "400ms")
    said = " ".join(done.stdout.split())
    assert said.startswith("An estimate, not a verdict. There is no capacity of ResNet50 on any machine type")
    assert "no latency limit counts" in said
    notes = " ".join(done.stderr.split())
    assert "95 % ranges against the cheapest shape" in notes
    assert f"a factor of {math.exp(newest_speeds().carry_over):.2f} for the CPU" in notes
    assert "Geekbench 6 on Compute Engine by Spare Cores" in notes
    assert "no server image for arm64: n4a, c4a, t2a" in notes


def test_the_table_has_the_cheapest_shape_of_each_series_unless_all_are_asked_for(no_run: str):
    ranking = [each["shape"]["machine_type"] for each in estimated("--results", no_run)["estimates"]]
    every = {machine_type.split("-")[0] for machine_type in ranking}
    assert len(every) > 10
    shown = [line.split()[2] for line in run("--results", no_run).stdout.splitlines() if " × " in line]
    series = [name.split("-")[0] for name in shown]
    assert sorted(series) == sorted(every)
    assert shown == [next(each for each in ranking if each.startswith(f"{name}-")) for name in series]
    done = run("--results", no_run, "--all")
    assert done.stdout.count(" × ") == len(ranking)
    assert "left out; --all" not in done.stderr


@pytest.fixture
def store(tmp_path: Path) -> str:
    """Three searches of ResNet50 on two e2-custom-8-16384, and runs that say nothing of a machine type of it."""
    (tmp_path / "results").mkdir()
    found = ResultsStore(str(tmp_path / "results"))
    for seed in (1, 2, 3):
        write_run(found, *make_search(60, seed, deployment=f"d{seed:011x}"))
    local = {"stack": "local", "platform": "local", "machine_type": "e2-custom-2-4096", "nodes": 1}
    write_run(found, *make_search(500, 4, **local))
    manifest, rows = make_search(900, 5, stack="cats", machine_type="n4d-highcpu-8")
    cats = Model(name="cats", digest="sha256:" + "ca" * 32, weights="own")
    write_run(found, manifest.model_copy(update={"serving": manifest.serving.model_copy(update={"model": cats})}), rows)
    return found.uri


def test_capacities_of_this_model_scale_it_to_requests_and_dollars(store: str):
    found = estimated("--results", store, "--memory", "32gb")
    [measured] = found["measured"]
    assert (measured["shape"]["machine_type"], measured["shape"]["nodes"]) == ("e2-custom-8-16384", 2)
    rps = measured["capacity_rps"]["value"]
    assert rps == pytest.approx(60, rel=0.1)
    e2, n4d = found["by_name"]["2xe2-custom-8-16384"], found["by_name"]["2xn4d-highcpu-8"]
    assert e2["capacity_rps"] == pytest.approx(measured["capacity_rps"])
    assert e2["usd_per_million"]["value"] == pytest.approx(e2["usd_hourly"] / (rps * 3600) * 1e6)
    assert n4d["scaled_from"] == "8cpu-16gb"
    # Both have 8 cores.
    per_core = newest_speeds().fit.per_core
    of_e2 = (per_core["e2", "AMD EPYC 7B12"] + per_core["e2", "Intel Xeon at 2.2 GHz"]) / 2
    assert n4d["capacity_rps"]["value"] / rps == pytest.approx(math.exp(per_core["n4d", "AMD EPYC 9B45"] - of_e2))
    assert n4d["capacity_rps"]["low"] < e2["capacity_rps"]["high"] < n4d["capacity_rps"]["value"]


def test_the_text_names_what_it_is_scaled_from(store: str):
    said = " ".join(run("--results", store).stdout.split())
    assert said.startswith("An estimate, not a verdict. Scaled from the capacity of ResNet50 with p99 within")
    assert "that was measured on 2 × e2-custom-8-16384." in said


def test_runs_at_an_objective_that_they_say_nothing_of_scale_nothing(store: str):
    found = estimated("--results", store, "--p99", "1ms")
    assert found["measured"] == []
    assert found["estimates"][0]["relative_cost"]["value"] == 1


def test_a_run_that_is_invalid_scales_nothing_and_is_named(store: str):
    died = Validity(verdict="invalid", reasons=("the server died",))
    manifest, rows = make_search(60, 9)
    write_run(ResultsStore(store), manifest.model_copy(update={"validity": died}), rows)
    said = f"{manifest.run_id} of {manifest.stack}: the server died"
    assert f"not used: {said}" in " ".join(run("--results", store).stderr.split())
    assert estimated("--results", store)["excluded"] == [{"run_id": manifest.run_id, "reasons": ["the server died"]}]


def test_runs_on_this_machine_scale_nothing(no_run: str):
    local = {"stack": "local", "platform": "local", "machine_type": "e2-custom-2-4096", "nodes": 1}
    write_run(ResultsStore(no_run), *make_search(500, 4, **local))
    assert estimated("--results", no_run)["measured"] == []


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model whose variables take 5 GB, in a sparse file."""
    folder = write_saved_model(tmp_path / "models/cats", {"serving_default": {"ids": ("int64", (None, 8))}})
    (folder / "variables").mkdir()
    (folder / "variables/variables.index").write_bytes(b"")
    with (folder / "variables/variables.data-00000-of-00001").open("wb") as file:
        file.truncate(5 * 2**30)
    return folder


def test_machines_that_cannot_hold_the_model_are_left_out_and_said(model: Path, no_run: str):
    found = estimated("--model", str(model), "--results", no_run)["by_name"]
    assert "8xn4d-highmem-2" in found
    assert not {"8xn4d-highcpu-2", "4xc4d-highcpu-4"} & set(found)
    done = run("--model", str(model), "--results", no_run)
    assert "capacity of cats on any machine type" in " ".join(done.stdout.split())
    assert "their nodes cannot load cats: e2-highcpu-2, e2-highcpu-4" in " ".join(done.stderr.split())


def test_runs_of_another_model_do_not_scale_it(model: Path, store: str):
    [measured] = estimated("--model", str(model), "--results", store)["measured"]
    assert measured["shape"]["machine_type"] == "n4d-highcpu-8"


def test_a_model_that_no_machine_holds_is_one_line_with_the_fix(model: Path, no_run: str):
    with (model / "variables/variables.data-00000-of-00001").open("r+b") as file:
        file.truncate(2**40)
    done = run("--model", str(model), "--results", no_run, exit_code=1)
    assert "of the machine types near 16 vCPUs none has the memory to load cats, which needs" in done.stderr
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--near", "16gb"), "--near '16gb' is not a number of vcpu; give one such as 16vcpu"),
        (("--region", "mars-north1"), "has no price in mars-north1"),
        (("--model", "no/such/folder"), "--model is 'no/such/folder', but"),
        (("--p99", "soon"), "p99 'soon'"),
    ],
)
def test_a_wrong_option_is_one_line_with_the_fix(arguments: tuple[str, ...], said: str, no_run: str):
    done = run(*arguments, "--results", no_run, exit_code=1)
    assert said in done.stderr
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


def test_a_series_whose_cpu_has_no_results_is_left_out_and_said(no_run: str, monkeypatch: pytest.MonkeyPatch):
    known = newest_speeds()
    others = {kind: speed for kind, speed in known.fit.per_core.items() if kind[0] != "t2d"}
    without = replace(known, fit=replace(known.fit, per_core=others), errors={})
    monkeypatch.setattr("shapebench.commands.prices.estimate.newest_speeds", lambda: without)
    assert not any("t2d" in name for name in estimated("--results", no_run)["by_name"])
    said = " ".join(run("--results", no_run).stderr.split())
    assert "Left out, because no result of its CPU is known: t2d-standard-16, t2d-standard-8" in said


def test_it_needs_no_store_but_one_that_is_named_has_to_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert estimated()["measured"] == []
    assert "the results store 'other' does not exist" in run("--results", "other", exit_code=1).stderr
