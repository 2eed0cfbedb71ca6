"""`import shapebench`, as a notebook does it: in a process of its own, in any folder, beside any packages."""

import html
import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import shapebench
from analysis.results.schema.manifest import Manifest, Validity
from analysis.results.schema.request_rows import REQUEST_COLUMNS
from analysis.results.storage.store import ResultsStore
from analysis.statistics.summary import summarise
from bench.stores.synthetic import Server, make_manifest, make_rows, write_run
from shapebench.cli import app
from stacks.load.load_profiles import PROFILES
from tests.support.production import production_store
from tools.pins import ROOT

SMOKE = PROFILES["smoke"]
HEAVY = {"altair", "analysis", "numpy", "pandas", "pyarrow", "stacks", "tools"}


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ResultsStore:
    return ResultsStore(str(tmp_path_factory.mktemp("store") / "results"))


@pytest.fixture(scope="module")
def manifests(store) -> list[Manifest]:
    rows = make_rows(SMOKE, Server(capacity_rps=30, service_ms=20))
    broken = make_manifest(SMOKE, "2cpu-4gb", validity=Validity(verdict="invalid", reasons=("the server died",)))
    written = [write_run(store, manifest, rows) for manifest in (make_manifest(SMOKE), broken)]
    return sorted(written, key=lambda manifest: manifest.run_id)


def notebook(code: str, folder: Path) -> str:
    """What this code prints in a folder, in a process that looks for modules there first, then in the checkout."""
    (folder / "notebook.py").write_text(f"import sys\nsys.path.insert(1, {str(ROOT)!r})\n{code}")
    done = subprocess.run(
        [sys.executable, "notebook.py"], cwd=folder, env={"PATH": ""}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_runs_have_the_figures_of_their_summaries_and_their_settings(store, manifests):
    table = shapebench.Store(store.uri).runs()
    summaries = [summarise(store, manifest) for manifest in manifests]
    assert table["run_id"].tolist() == [manifest.run_id for manifest in manifests]
    assert table["p99_ms"].tolist() == [summary.p99_ms for summary in summaries]
    assert table["usd_per_million_good"].tolist() == [summary.usd_per_million_good for summary in summaries]
    assert table["valid"].tolist() == [manifest.validity.verdict == "valid" for manifest in manifests]
    assert table["serving.inter_op"].tolist() == [4, 4]
    assert table["started_at"].tolist() == [pd.Timestamp(manifest.started_at) for manifest in manifests]


def test_rows_are_all_there_in_order_of_time_as_pandas_or_arrow(store, manifests):
    frame = shapebench.Store(store.uri).rows(manifests[0].run_id)
    table = shapebench.Store(store.uri).rows(manifests[0].run_id, arrow=True)
    assert isinstance(table, pa.Table)
    assert tuple(frame.columns) == tuple(table.column_names) == REQUEST_COLUMNS
    assert len(frame) == table.num_rows == sum(summarise(store, manifests[0]).rows_by_phase.values())
    assert frame["intended_start"].is_monotonic_increasing


def test_a_folder_with_packages_of_the_same_names_changes_nothing(store, manifests, tmp_path):
    for name in ("analysis", "stacks", "tools"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"print('the {name} of this folder')\n")
    code = f"import shapebench\nprint(shapebench.Store({store.uri!r}).runs()['run_id'].tolist())\nimport analysis\n"
    expected = f"{[manifest.run_id for manifest in manifests]}\nthe analysis of this folder\n"
    assert notebook(code, tmp_path) == expected


def test_a_package_of_the_same_name_that_is_imported_already_changes_nothing(store, manifests, tmp_path):
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis/__init__.py").write_text("OWN = 'mine'\n")
    code = f"import analysis, shapebench\nrows = shapebench.Store({store.uri!r}).rows({manifests[0].run_id!r})\n"
    code += "print(analysis.OWN, len(rows))\n"
    assert notebook(code, tmp_path) == f"mine {sum(summarise(store, manifests[0]).rows_by_phase.values())}\n"


def test_a_relative_store_is_in_the_working_folder(store, manifests):
    code = "import shapebench\nprint(len(shapebench.Store().runs()))\n"
    assert notebook(code, Path(store.uri).parent) == "2\n"


def test_importing_shapebench_loads_nothing_of_the_project_and_nothing_heavy(tmp_path):
    loaded = notebook("import sys, shapebench\nprint(*sys.modules)\n", tmp_path)
    assert HEAVY.isdisjoint(loaded.split())


def test_an_unknown_run_is_an_error_that_says_where_the_known_ones_are_listed(store, manifests):
    with pytest.raises(shapebench.ShapebenchError, match=r"no finished run 0000 in .*; Store\.runs\(\) lists"):
        shapebench.Store(store.uri).rows("0000")


def test_a_store_that_cannot_be_opened_is_an_error_that_names_it():
    with pytest.raises(shapebench.ShapebenchError, match="nonsense"):
        shapebench.Store("nonsense://bucket").runs()


def test_an_empty_store_is_an_empty_table_and_a_warning_that_says_how_to_get_a_run(tmp_path):
    with pytest.warns(UserWarning, match="pulumi up --stack local"):
        assert len(shapebench.Store(tmp_path).runs()) == 0
    with pytest.raises(shapebench.ShapebenchError, match="nothing' does not exist; give a folder that holds runs"):
        shapebench.Store(tmp_path / "nothing").runs()
    with pytest.raises(shapebench.ShapebenchError, match="nothing' does not exist; give a folder that holds runs"):
        shapebench.Store(tmp_path / "nothing").rows("0000")


def test_a_file_that_was_skipped_is_a_warning(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    write_run(store, make_manifest(SMOKE), make_rows(SMOKE, Server(capacity_rps=30, service_ms=20)))
    (tmp_path / "results/runs/notes.txt").write_text("hello")
    with pytest.warns(UserWarning, match=r"skipped: runs/notes\.txt"):
        assert len(shapebench.Store(store.uri).runs()) == 1
    part = next((tmp_path / "results/requests").rglob("*.parquet"))
    run_id = part.parent.name.removeprefix("run_id=")
    with pytest.warns(UserWarning, match=r"skipped: runs/notes\.txt"):
        assert len(shapebench.Store(store.uri).rows(run_id))
    part.write_bytes(part.read_bytes()[:-8])
    with pytest.raises(shapebench.ShapebenchError, match=r"part-w0\.parquet is not what was written"):
        shapebench.Store(store.uri).rows(run_id)
    with pytest.warns(UserWarning, match=r"part-w0\.parquet is not what was written"):
        assert not shapebench.Store(store.uri).runs()["valid"].iloc[0]


@pytest.fixture(scope="module")
def searches(tmp_path_factory) -> shapebench.Store:
    """A store with capacity searches of three shapes on GKE."""
    return shapebench.Store(production_store(tmp_path_factory.mktemp("searches")))


def test_a_verdict_is_that_of_the_command_and_a_notebook_shows_it(searches):
    found = searches.verdict(p99="500ms", within="10%")
    printed = json.loads(CliRunner().invoke(
        app, ("verdict", "--p99", "500ms", "--within", "10%", "--json", "--results", str(searches.uri))
    ).stdout)  # fmt: skip
    assert found.json == printed
    assert str(found) == printed["verdict"]
    assert found.table["label"].tolist() == [each["label"] for each in printed["ranking"]]
    assert found.table["capacity_rps.low"].tolist() == [each["capacity_rps"]["low"] for each in printed["ranking"]]
    shown = found._repr_html_()
    assert "<table" in shown
    assert html.escape(printed["verdict"].splitlines()[0]) in shown


def test_a_plan_and_a_day_are_those_of_the_commands(searches):
    plan = searches.plan(100, p99="500ms", terms={"zones": 3, "headroom": "30%"})
    assert plan.text.startswith("100 requests per second with 30% of headroom at a p99 of 500 ms need ")
    assert plan.table["label"].iloc[0] == plan.json["best"]
    assert plan.table["nodes.planned"].min() >= 3
    day = searches.day(peak=100, night=10, p99="500ms")
    assert day.text.startswith("A day of ")
    assert day.table["label"].iloc[0] == day.json["best"]["label"]


def test_a_store_compared_with_itself_has_not_changed(searches):
    changes = searches.changes(searches)
    assert set(changes["stack"]) == set(searches.latest()["stack"]) == {"8cpu-16gb", "8cpu-64gb", "4cpu-8gb"}
    assert not set(changes["finding"]) & {"better", "worse"}


def test_two_runs_are_compared_by_their_figures_and_settings(searches):
    first, second = searches.runs()["run_id"].iloc[:2]
    compared = searches.compare(first, second).set_index("figure")
    assert compared.attrs["settings"]["serving.inter_op"] == [8, 4]
    runs = searches.runs().set_index("run_id")
    assert compared.loc["p99_ms", "first"] == runs.loc[first, "p99_ms"]
    assert compared.loc["p99_ms", "ratio"] == runs.loc[second, "p99_ms"] / runs.loc[first, "p99_ms"]


def test_prices_are_the_line_items_of_each_stack():
    items = shapebench.prices(["8cpu-16gb", "4cpu-8gb"])
    assert set(items["stack"]) == {"8cpu-16gb", "4cpu-8gb"}
    of_shape = shapebench.prices(shape="2xe2-custom-8-16384")
    of_stack = items[items["stack"] == "8cpu-16gb"]
    assert of_shape["hourly"].sum() <= of_stack["hourly"].sum()
    assert (items["unit_price"] > 0).any()


@pytest.mark.parametrize(
    ("ask", "says"),
    [
        (lambda store: store.verdict(p99="500"), "500"),
        (lambda store: store.plan(0, p99="500ms"), "--rps is 0"),
        (lambda store: store.day(peak=100, p99="500ms"), "give --traffic day.csv, or both --peak 800 and --night 100"),
        (lambda store: store.changes("nowhere"), "nowhere"),
        (lambda _: shapebench.prices(["8cpu"]), "8cpu"),
    ],
)
def test_what_is_wrong_is_one_error_in_the_words_of_the_command(searches, ask, says):
    with pytest.raises(shapebench.ShapebenchError, match=re.escape(says)) as raised:
        ask(searches)
    assert not str(raised.value).startswith("shapebench:")
    assert "Traceback" not in str(raised.value)


def test_the_notebook_of_the_documentation_runs_from_its_first_cell_to_its_last(searches, tmp_path):
    cells = json.loads((ROOT / "docs/notebook.ipynb").read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    (tmp_path / "results").symlink_to(str(searches.uri))
    assert notebook(f"{code}\nprint('the end')\n", tmp_path).endswith("the end\n")
