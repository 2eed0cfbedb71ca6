"""`import shapebench`, as a notebook does it: in a process of its own, in any folder, beside any packages."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

import shapebench
from analysis.results.manifest import Manifest, Validity
from analysis.results.request_rows import REQUEST_COLUMNS
from analysis.results.store import ResultsStore
from analysis.statistics.summary import summarise
from bench.stores.synthetic import Server, make_manifest, make_rows, write_run
from stacks.load_profiles import PROFILES
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
    table = shapebench.runs(store.uri)
    summaries = [summarise(store, manifest) for manifest in manifests]
    assert table["run_id"].tolist() == [manifest.run_id for manifest in manifests]
    assert table["p99_ms"].tolist() == [summary.p99_ms for summary in summaries]
    assert table["usd_per_million_good"].tolist() == [summary.usd_per_million_good for summary in summaries]
    assert table["valid"].tolist() == [manifest.validity.verdict == "valid" for manifest in manifests]
    assert table["serving.inter_op"].tolist() == [4, 4]
    assert table["started_at"].tolist() == [pd.Timestamp(manifest.started_at) for manifest in manifests]


def test_rows_are_all_there_in_order_of_time_as_pandas_or_arrow(store, manifests):
    frame = shapebench.rows(store.uri, manifests[0].run_id)
    table = shapebench.rows(store.uri, manifests[0].run_id, arrow=True)
    assert isinstance(table, pa.Table)
    assert tuple(frame.columns) == tuple(table.column_names) == REQUEST_COLUMNS
    assert len(frame) == table.num_rows == sum(summarise(store, manifests[0]).rows_by_phase.values())
    assert frame["intended_start"].is_monotonic_increasing


def test_a_folder_with_packages_of_the_same_names_changes_nothing(store, manifests, tmp_path):
    for name in ("analysis", "stacks", "tools"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"print('the {name} of this folder')\n")
    code = f"import shapebench\nprint(shapebench.runs({store.uri!r})['run_id'].tolist())\nimport analysis\n"
    expected = f"{[manifest.run_id for manifest in manifests]}\nthe analysis of this folder\n"
    assert notebook(code, tmp_path) == expected


def test_a_package_of_the_same_name_that_is_imported_already_changes_nothing(store, manifests, tmp_path):
    (tmp_path / "analysis").mkdir()
    (tmp_path / "analysis/__init__.py").write_text("OWN = 'mine'\n")
    code = f"import analysis, shapebench\nrows = shapebench.rows({store.uri!r}, {manifests[0].run_id!r})\n"
    code += "print(analysis.OWN, len(rows))\n"
    assert notebook(code, tmp_path) == f"mine {sum(summarise(store, manifests[0]).rows_by_phase.values())}\n"


def test_a_relative_store_is_in_the_working_folder(store, manifests):
    code = "import shapebench\nprint(len(shapebench.runs()))\n"
    assert notebook(code, Path(store.uri).parent) == "2\n"


def test_importing_shapebench_loads_nothing_of_the_project_and_nothing_heavy(tmp_path):
    loaded = notebook("import sys, shapebench\nprint(*sys.modules)\n", tmp_path)
    assert HEAVY.isdisjoint(loaded.split())


def test_an_unknown_run_is_an_error_that_says_where_the_known_ones_are_listed(store, manifests):
    with pytest.raises(shapebench.ReadError, match=r"no finished run 0000 in .*; shapebench\.runs\(\) lists"):
        shapebench.rows(store.uri, "0000")


def test_a_store_that_cannot_be_opened_is_an_error_that_names_it():
    with pytest.raises(shapebench.ReadError, match="nonsense"):
        shapebench.runs("nonsense://bucket")


def test_an_empty_store_is_an_empty_table_and_a_warning_that_says_how_to_get_a_run(tmp_path):
    with pytest.warns(UserWarning, match="pulumi up --stack local"):
        assert len(shapebench.runs(tmp_path)) == 0
    with pytest.raises(shapebench.ReadError, match="nothing' does not exist; give a folder that holds runs"):
        shapebench.runs(tmp_path / "nothing")
    with pytest.raises(shapebench.ReadError, match="nothing' does not exist; give a folder that holds runs"):
        shapebench.rows(tmp_path / "nothing", "0000")


def test_a_file_that_was_skipped_is_a_warning(tmp_path):
    store = ResultsStore(str(tmp_path / "results"))
    write_run(store, make_manifest(SMOKE), make_rows(SMOKE, Server(capacity_rps=30, service_ms=20)))
    (tmp_path / "results/runs/notes.txt").write_text("hello")
    with pytest.warns(UserWarning, match=r"skipped: runs/notes\.txt"):
        assert len(shapebench.runs(store.uri)) == 1
    part = next((tmp_path / "results/requests").rglob("*.parquet"))
    run_id = part.parent.name.removeprefix("run_id=")
    with pytest.warns(UserWarning, match=r"skipped: runs/notes\.txt"):
        assert len(shapebench.rows(store.uri, run_id))
    part.write_bytes(part.read_bytes()[:-8])
    with pytest.raises(shapebench.ReadError, match=r"part-w0\.parquet is not what was written"):
        shapebench.rows(store.uri, run_id)
    with pytest.warns(UserWarning, match=r"part-w0\.parquet is not what was written"):
        assert not shapebench.runs(store.uri)["valid"].iloc[0]
