"""A request with four instances: a prediction costs a quarter wherever a cost is read, and rates count requests.

Two stores have the same rows. One says that a request had one instance, the other says four.
"""

import json
import math
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import shapebench
import shapebench.output
from analysis.objective import Asked
from analysis.report.charts.breakdown import cost_by_item
from analysis.report.charts.objectives import costs_by_limit
from analysis.report.charts.race import costs_by_run
from analysis.report.collect import Findings, collect
from analysis.report.document import Document, document
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from analysis.statistics.estimate import price_of
from bench.stores.synthetic import STARTED_AT, Server, make_manifest, make_rows, make_search, write_run
from shapebench.cli import app
from stacks.load.load_profiles import PROFILES
from sweep.conductor.decisions import observation
from sweep.pulumi_fleet.results import measured
from sweep.tasks import Length
from tools.pins import ROOT
from tools.pull_request.latest import Answer
from tools.pull_request.measured import Change

INSTANCES = 4
SMOKE = PROFILES["smoke"]
# What says how many instances there are, and what follows for requests alone.
OF_REQUESTS = re.compile(r"instances|per_request|requests$|conditions\.model$|comparison_group$|group$")
COST = re.compile(r"usd_per_million")
SEARCHES = (("8cpu-16gb", 30), ("8cpu-16gb", 32), ("2cpu-4gb", 25))


def run_id(number: int) -> str:
    return f"01KAAAAAAA{number:016}"


def asking_for(instances: float, run: Manifest) -> Manifest:
    model = run.serving.model.model_copy(update={"instances": instances})
    return run.model_copy(update={"serving": run.serving.model_copy(update={"model": model})})


def make_store(uri: str, instances: float) -> str:
    """Searches of two variants, and a closed loop."""
    store = ResultsStore(uri)
    for number, (stack, rps) in enumerate(SEARCHES, 1):
        at = STARTED_AT + timedelta(hours=number)
        changes: dict[str, Any] = {"stack": stack, "run_id": run_id(number), "deployment": f"d{number:011x}"}
        run, rows = make_search(rps, number, 4000, started_at=at, **changes)
        write_run(store, asking_for(instances, run), rows)
    closed = asking_for(instances, make_manifest(SMOKE, run_id=run_id(4)))
    write_run(store, closed, make_rows(SMOKE, Server(capacity_rps=30, service_ms=20, error_share=0.01)))
    return uri


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_store(str(tmp_path_factory.mktemp("one") / "results"), 1)


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_store(str(tmp_path_factory.mktemp("four") / "results"), INSTANCES)


@pytest.fixture(scope="module")
def found(one: str, four: str) -> tuple[Findings, Findings]:
    return collect(ResultsStore(one), Asked()), collect(ResultsStore(four), Asked())


@pytest.fixture(scope="module")
def reports(found: tuple[Findings, Findings]) -> tuple[Document, Document]:
    return document(found[0]), document(found[1])


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapebench.output, "_terminal_width", lambda _: 400)


def printed(*arguments: str) -> str:
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code in (0, 5), answer.output
    return answer.stdout


def values_of(content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a JSON document, by its path."""
    inside = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else None
    if inside is None:
        yield name, content
        return
    for key, value in inside:
        yield from values_of(value, f"{name}.{key}")


def as_json(uri: str, command: str, *options: str) -> dict[str, Any]:
    form = ("--format", "json") if command == "verdict" else ("--json",)
    found: dict[str, Any] = json.loads(printed(command, *options, "--results", uri, *form))
    return found


def check_costs(of_one: Any, of_four: Any) -> int:
    """That costs are a quarter and all other numbers are equal; how many costs there are."""
    before, after = dict(values_of(of_one)), dict(values_of(of_four))
    costs = 0
    for name, value in before.items():
        if isinstance(value, int | float) and not OF_REQUESTS.search(name):
            is_cost = bool(COST.search(name))
            costs += is_cost
            assert after[name] == pytest.approx(value / INSTANCES if is_cost else value), name
    assert all(OF_REQUESTS.search(name) for name in after.keys() - before.keys() if "_requests" not in name)
    return costs


@pytest.mark.parametrize(
    ("command", "options", "costs"),
    [
        ("runs", (), 7),
        ("show", (run_id(1),), 8),
        ("show", (run_id(4),), 4),
        ("latest", (), 6),
        ("verdict", (), 6),
        ("plan", ("--rps", "100"), 0),
    ],
)
def test_each_cost_in_json_is_a_quarter_and_no_rate_changes(
    one: str, four: str, command: str, options: tuple[str, ...], costs: int
) -> None:
    assert check_costs(as_json(one, command, *options), as_json(four, command, *options)) == costs


def test_the_comparison_of_two_stores_has_the_same_ratio_of_costs_a_quarter_as_high(one: str, four: str) -> None:
    of_one, of_four = (as_json(uri, "latest", "--against", uri) for uri in (one, four))
    assert check_costs(of_one, of_four) == 12


def test_each_cost_in_an_export_is_a_quarter(
    one: str, four: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Drawing takes half a minute.
    monkeypatch.setattr("analysis.report.export._charts", lambda _: ())
    for uri, folder in ((one, "one"), (four, "four")):
        printed("export", "--results", uri, "--out", str(tmp_path / folder))
    for table, costs in (("runs", 7), ("ranking", 6)):
        rows = [pq.read_table(tmp_path / folder / f"{table}.parquet").to_pylist() for folder in ("one", "four")]
        assert check_costs(*rows) == costs
        texts = [(tmp_path / folder / f"{table}.csv").read_text().count("\n") for folder in ("one", "four")]
        assert texts[0] == texts[1]


def test_the_data_frame_of_notebooks_has_the_costs_of_predictions(one: str, four: str) -> None:
    before, after = (shapebench.Store(uri).runs() for uri in (one, four))
    assert after["usd_per_million_good"].tolist() == pytest.approx(
        (before["usd_per_million_good"] / INSTANCES).tolist()
    )
    assert after["goodput_rps"].tolist() == before["goodput_rps"].tolist()
    assert after["serving.model.instances"].tolist() == [INSTANCES] * 4


def test_each_cost_that_the_report_draws_or_prints_is_a_quarter(
    found: tuple[Findings, Findings], reports: tuple[Document, Document]
) -> None:
    drawn = [
        [
            *map(float, cost_by_item(each.verdict.ranking).to_numpy().ravel()),
            *(row[key] for row in costs_by_run(each.verdict.ranking) for key in ("usd", "low", "high")),
            *(row["usd"] for row in costs_by_limit(each.verdict.ranking, each.runs, each.verdict.objective)),
        ]
        for each in found
    ]
    assert len(drawn[0]) > 10
    assert drawn[1] == pytest.approx([usd / INSTANCES for usd in drawn[0]])
    # Tables have rounded figures, two decimals or four.
    compared = 0
    columns = map(costs_in_tables, reports)
    for (title, cell), (same_title, other) in zip(*columns, strict=True):
        assert title == same_title
        amount = first_amount(cell)
        if amount is not None:
            compared += 1
            assert first_amount(other) == pytest.approx(amount / INSTANCES, abs=0.006), title
    assert compared > 8


def costs_in_tables(content: Document) -> list[tuple[str, str]]:
    """Cells of the costs of predictions in the tables and the figures of the report."""
    tables = [table for section in content.sections for table in section.tables]
    cells = [
        (f"{table.label} {column.title}", row[at])
        for table in tables
        for at, column in enumerate(table.columns)
        if "USD/million" in column.title and not column.title.endswith("requests")
        for row in table.rows
        if not row[at].endswith("%")
    ]
    return cells + [(label, value) for page in content.pages for label, value in page.figures if "USD per" in label]


def first_amount(cell: str) -> float | None:
    found = re.match(r"[\d.]+", cell)
    return float(found.group()) if found else None


def test_the_cost_at_one_load_is_of_predictions(found: tuple[Findings, Findings]) -> None:
    ((before,), (after,)) = (each.reproduction for each in found)
    assert after.usd_per_million.value == pytest.approx(before.usd_per_million.value / INSTANCES)
    assert after.goodput_rps == before.goodput_rps


def test_a_sweep_decides_by_the_cost_of_predictions(one: str, four: str) -> None:
    costs = []
    for uri in (one, four):
        store = ResultsStore(uri)
        load = make_search(30.0)[0].load
        seen = observation(1, 1, Length.full, measured(store, "8cpu-16gb", run_id(1), load), 0.5)
        assert seen
        costs.append(seen.log_cost)
    assert math.exp(costs[0] - costs[1]) == pytest.approx(INSTANCES)


def test_comments_on_pull_requests_read_what_json_says_of_requests(one: str, four: str) -> None:
    latest = Answer.model_validate(as_json(four, "latest")).latest["2cpu-4gb"]
    assert latest.predictions_per_request == INSTANCES
    assert latest.usd_per_million_requests
    assert latest.usd_per_million.value
    assert latest.usd_per_million_requests.value == pytest.approx(latest.usd_per_million.value * INSTANCES)
    (change, _) = (Change.model_validate(each) for each in as_json(four, "latest", "--against", four)["changes"])
    assert change.after
    assert change.after.predictions_per_request == INSTANCES
    assert Answer.model_validate(as_json(one, "latest")).latest["2cpu-4gb"].of_requests == ""


SAYS_REQUESTS = re.compile(r"predictions a request|predictions/request|million (good )?requests|asks for 4 predictions")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("verdict",), "A request asks for 4 predictions: a million requests cost "),
        (("verdict", "--format", "markdown"), "USD/million requests"),
        (("show", run_id(1)), "A request asks for 4 predictions; a million good requests cost "),
        (("runs",), "predictions/request"),
        (("latest",), "USD/million requests"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_only_where_a_request_asks_for_several_predictions_text_says_so(
    one: str, four: str, command: tuple[str, ...], said: str
) -> None:
    assert not SAYS_REQUESTS.search(printed(*command, "--results", one))
    assert said in printed(*command, "--results", four)


def test_the_cost_of_a_million_requests_is_that_of_a_million_predictions_by_one_instance_each(
    one: str, four: str
) -> None:
    (first, *_), (same, *_) = (as_json(uri, "verdict")["ranking"] for uri in (one, four))
    assert "usd_per_million_requests" not in first
    assert same["predictions_per_request"] == INSTANCES
    jsonschema.validate(as_json(four, "verdict"), json.loads((ROOT / "docs/verdict.schema.json").read_text()))
    for end in ("value", "low", "high"):
        assert same["usd_per_million_requests"][end] == pytest.approx(first["usd_per_million"][end])
    run, other = (as_json(uri, "show", run_id(1)) for uri in (one, four))
    assert "usd_per_million_good_requests" not in run
    assert other["usd_per_million_good_requests"] == pytest.approx(run["usd_per_million_good"])
    assert other["usd_per_million_requests"] == pytest.approx(run["usd_per_million"])


def test_the_report_says_what_a_request_asks_for_and_calls_a_rate_one_of_requests(
    reports: tuple[Document, Document],
) -> None:
    before, after = reports
    assert "A request asks for 4 predictions: a million requests cost " in after.headline.detail
    assert "A request asks for" not in before.headline.detail
    assert len(after.method) == len(before.method) + 1
    labels = [[label for label, _ in each.pages[0].figures] for each in (before, after)]
    assert ("good predictions per second" in labels[0], "good requests per second" in labels[1]) == (True, True)
    assert "good predictions per second" not in labels[1]
    sentences = [[text for text in each.pages[0].sentences if "million requests" in text] for each in (before, after)]
    assert sentences[0] == []
    assert re.fullmatch(
        r"A request asks for 4 predictions; a million good requests cost [\d.]+ USD; a million requests cost [\d.]+"
        r" USD at capacity\.",
        sentences[1][0],
    )


def test_runs_with_other_numbers_of_instances_are_not_ranked_together(tmp_path: Path) -> None:
    uri = make_store(str(tmp_path / "results"), INSTANCES)
    run, rows = make_search(31, 5, 4000, stack="8cpu-64gb", run_id=run_id(5), deployment="d00000000005")
    write_run(ResultsStore(uri), run, rows)
    found = as_json(uri, "verdict")
    assert {each["stack"] for each in found["ranking"]} == {"8cpu-16gb", "2cpu-4gb"}
    (excluded,) = (each for each in found["excluded"] if each["run_id"] == run_id(5))
    assert (
        "it ran with the model resnet, so it does not compare with runs with the model resnet, 4 predictions a"
        in (excluded["reasons"][0])
    )


def test_a_manifest_from_before_instances_were_recorded_has_one_in_a_request(one: str) -> None:
    run = make_manifest(SMOKE).model_dump(mode="json")
    del run["serving"]["model"]["instances"]
    older = Manifest.model_validate(run)
    assert older.serving.model.instances == 1
    price = price_of(older)
    assert price
    assert price.instances == 1
