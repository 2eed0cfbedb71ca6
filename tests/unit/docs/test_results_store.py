"""docs/results-store.md lists the columns of the rows and the keys of the manifest, and its examples run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from analysis.results.schema.request_rows import REQUEST_COLUMNS
from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import Server, make_manifest, make_rows, write_run
from stacks.load.load_profiles import PROFILES
from tools.pins import ROOT

_PAGE = (ROOT / "docs/results-store.md").read_text()
_SMOKE = PROFILES["smoke"]


def first_cells(heading: str) -> list[str]:
    """The names in the first column of the table below a heading."""
    section = _PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE)
    return [name for cell in cells for name in re.findall("`([^`]+)`", cell)]


def example(language: str) -> str:
    (code,) = re.findall(rf"^```{language}\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL)
    return code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a results store of one run."""
    rows = make_rows(_SMOKE, Server(capacity_rps=30, service_ms=20))
    write_run(ResultsStore(str(tmp_path / "results")), make_manifest(_SMOKE), rows)
    return tmp_path


def test_the_page_lists_the_columns_of_the_rows_in_their_order():
    assert first_cells("Rows") == list(REQUEST_COLUMNS)


def test_the_page_lists_the_keys_of_the_manifest(folder: Path):
    (manifest,) = folder.glob("results/runs/*/*.json")
    assert sorted(first_cells("Manifest")) == sorted(json.loads(manifest.read_text()))


def test_the_python_example_reads_the_rows_of_a_run(folder: Path):
    code = example("python") + "\nprint(len(runs), *rows.columns)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["1", *REQUEST_COLUMNS], done.stderr


def test_the_sql_example_counts_the_rows_of_each_run(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    ((stack, run_id, count),) = duckdb.sql(example("sql")).fetchall()
    (part,) = Path("results/requests").glob("*/*/*.parquet")
    assert part.parent.parent.name == f"stack={stack}"
    assert part.parent.name == f"run_id={run_id}"
    assert count > 0
