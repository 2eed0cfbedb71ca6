"""One label, one figure: whatever reads a store says the same of a run under the same label."""

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from typer.testing import CliRunner

import shapebench.output
from analysis.objective import Asked
from analysis.report.collect import collect
from analysis.report.document import document
from analysis.report.tables import Table
from analysis.results.schema.manifest import CapacityRps, Manifest, Repeat
from analysis.results.storage.store import ResultsStore
from analysis.statistics.summary import FIGURES
from bench.stores.synthetic import STARTED_AT, Server, make_manifest, make_rows, make_search, write_run
from shapebench.cli import app
from stacks.load.load_profiles import PROFILES

SMOKE = PROFILES["smoke"]
# Every name of a figure: in JSON, in the heading of a column, and in full.
NAMES = {name: figure for figure, each in FIGURES.items() for name in (figure, each.title, each.label)}


def run_id(number: int) -> str:
    return f"01KAAAAAAA{number:016}"


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Searches of two variants, two of them repeats, and a closed loop."""
    store = ResultsStore(str(tmp_path_factory.mktemp("labels") / "results"))
    for number, (stack, rps) in enumerate((("8cpu-16gb", 30), ("8cpu-16gb", 32), ("2cpu-4gb", 25)), 1):
        repeat = None if stack == "2cpu-4gb" else Repeat(group=run_id(1), index=number, of=2)
        changes = {"stack": stack, "run_id": run_id(number), "repeat": repeat, "deployment": f"d{number:011x}"}
        manifest, rows = make_search(rps, number, 4000, started_at=STARTED_AT + timedelta(hours=number), **changes)
        assert manifest.capacity
        # As an older version stored it: its estimator was another one.
        stored = manifest.capacity.model_copy(
            update={"rps": CapacityRps(value=manifest.capacity.rps.value, low=rps / 2, high=rps * 1.2)}
        )
        write_run(store, manifest.model_copy(update={"capacity": stored}), late(rows) if number == 1 else rows)
    closed = make_manifest(SMOKE, run_id=run_id(4))
    write_run(store, closed, make_rows(SMOKE, Server(capacity_rps=30, service_ms=20, error_share=0.01)))
    return store.uri


def late(rows: pa.Table) -> pa.Table:
    """The same answers to requests that were sent up to 0.2 s after they were due."""
    delays_us = np.random.default_rng(1).integers(0, 200_000, rows.num_rows)
    start = pc.add(rows["intended_start"], pa.array(delays_us, pa.duration("us")))
    latency_us = pc.subtract(rows["latency_us"], pa.array(delays_us))
    changed = {"start": start, "latency_us": latency_us}
    for name, values in changed.items():
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), values)
    return rows


def printed(*arguments: str) -> str:
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code in (0, 5), answer.output
    return answer.stdout


def test_the_same_label_of_a_run_has_the_same_figure_in_every_reader(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shapebench.output, "_terminal_width", lambda _: 400)
    shown: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    readers = set()
    for reader, run, label, value in (*of_runs(uri), *of_show(uri), *of_export(uri, tmp_path), *of_report(uri)):
        shown[run, label][value].add(reader)
        readers.add(reader)
    assert readers == {
        "runs",
        "runs --json",
        "show",
        "show --json",
        "export",
        "report",
        "report, page",
        "report, chart",
    }
    assert {key: dict(values) for key, values in shown.items() if len(values) > 1} == {}
    # Each run has each figure that tells how fast and dear it is, under one name, from at least five readers.
    for number in range(1, 4):
        for figure in ("goodput_rps", "usd_per_million_good", "p99_ms"):
            (seen,) = shown[run_id(number), figure].values()
            assert len(seen) >= 5, (figure, seen)
        (seen,) = shown[run_id(number), "capacity_rps"].values()
        assert {"show", "show --json", "report", "report, chart"} <= seen


def test_the_spread_of_repeats_is_that_of_the_figures_that_the_runs_have(uri: str) -> None:
    found = json.loads(printed("runs", "--results", uri, "--json"))
    figures = {run["run_id"]: run for run in found["runs"]}
    (group,) = found["repeats"]
    for name, spread in group["figures"].items():
        values = sorted(figures[each][name] for each in group["run_ids"])
        assert [spread["lowest"], spread["highest"]] == pytest.approx(values), name


def test_a_runs_name_does_not_depend_on_the_other_runs_of_its_store(uri: str, tmp_path: Path) -> None:
    names = {row["run_id"]: row["name"] for row in exported(uri, tmp_path / "whole")}
    store = ResultsStore(str(tmp_path / "one"))
    manifest, rows = make_search(30, 1, 4000, stack="8cpu-16gb", run_id=run_id(1))
    write_run(store, manifest, rows)
    (alone,) = exported(store.uri, tmp_path / "alone")
    assert alone["name"] == names[run_id(1)]
    assert len(set(names.values())) == len(names)


def as_shown(figure: str, value: float | None) -> str:
    return FIGURES[figure].show(value)


def value_of(cell: str) -> str:
    """The cell without its interval."""
    return cell.partition(" (")[0]


def of_runs(uri: str) -> Iterator[tuple[str, str, str, str]]:
    for run in json.loads(printed("runs", "--results", uri, "--json"))["runs"]:
        yield from (("runs --json", run["run_id"], name, as_shown(name, run[name])) for name in FIGURES)
    heading, *lines = printed("runs", "--results", uri).split("\n\n")[0].splitlines()
    titles = re.split(r"  +", heading)
    for number, line in enumerate(lines, 1):
        cells = dict(zip(titles, re.split(r"  +", line), strict=True))
        yield from (("runs", run_id(number), NAMES[each], cells[each]) for each in titles if each in NAMES)


def of_show(uri: str) -> Iterator[tuple[str, str, str, str]]:
    for number in range(1, 5):
        run = run_id(number)
        found = json.loads(printed("show", run, "--results", uri, "--json"))
        yield from (("show --json", run, name, as_shown(name, found[name])) for name in FIGURES)
        for name, interval in found["intervals"].items():
            yield "show --json", run, name, as_shown(name, interval["value"])
        table = printed("show", run, "--results", uri).split("Figures of the counted phase")[1].split("In brackets")[0]
        for line in table.splitlines()[2:]:
            label, value = re.split(r"  +", line.strip(), maxsplit=1)
            assert label in NAMES, f"{label} is no figure's name"
            yield "show", run, NAMES[label], value_of(value)


def exported(uri: str, folder: Path) -> list[dict[str, str]]:
    printed("export", "--results", uri, "--out", str(folder))
    with (folder / "runs.csv").open() as file:
        return list(csv.DictReader(file))


def of_export(uri: str, folder: Path) -> Iterator[tuple[str, str, str, str]]:
    for row in exported(uri, folder / "export"):
        for name in FIGURES:
            yield "export", row["run_id"], name, as_shown(name, float(row[name]) if row[name] else None)


def of_report(uri: str) -> Iterator[tuple[str, str, str, str]]:
    content = document(collect(ResultsStore(uri), Asked()))
    runs: dict[str, Manifest] = {page.run.name: page.run.manifest for page in content.pages}
    assert len(runs) == len(content.pages)
    for section in content.sections:
        for table in section.tables:
            yield from of_table(table, runs)
    for page in content.pages:
        run = page.run.manifest.run_id
        for label, value in page.figures:
            assert label in NAMES, f"{label} is no figure's name"
            yield "report, page", run, NAMES[label], value_of(value)
        for chart in page.charts:
            if chart.title == "Latency against rate":
                (value,) = re.findall("the capacity is (.+?) requests per second", str(chart.svg))
                yield "report, chart", run, "capacity_rps", value_of(value)


def of_table(table: Table, runs: dict[str, Manifest]) -> Iterator[tuple[str, str, str, str]]:
    titles = [column.title for column in table.columns]
    for row in table.rows:
        if titles[0] == "run":
            cells = dict(zip(titles[1:], row[1:], strict=True))
            named = ((NAMES[title], cell) for title, cell in cells.items() if title in NAMES)
            yield from (("report", runs[row[0]].run_id, name, value_of(cell)) for name, cell in named)
