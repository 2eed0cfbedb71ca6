"""A plugin that is killed while its load test runs, with real Locust: what it measured can be stored."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from analysis.results.run.columns import rows_in_order
from analysis.results.schema.manifest import Key
from analysis.results.storage.store import ResultsStore
from loadtest.generator.plan import worker_name
from loadtest.result.raw_rows import read_all_raw_rows
from shapebench.cli import app
from tests.support.load_test_inputs import local_load_test_inputs
from tools.pins import ROOT

pytestmark = pytest.mark.real_time

PLUGIN = """
import json, sys
from provider.resource import Operation
from provider.resources.local_load_test import LocalLoadTest
LocalLoadTest().create(json.loads(sys.argv[1]), Operation(print, print))
"""
KILLED = "the process that ran the test was killed, so later requests may be missing; run again"


def imported(folder: Path, store: Path) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["import", str(folder), "--results", str(store)])
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, server_url: str) -> Path:
    """The work folder of a test whose plugin was killed when some requests had been answered."""
    tmp_path = tmp_path_factory.mktemp("killed")
    inputs = local_load_test_inputs(tmp_path, server_url) | {"rerun": "once more"}
    inputs["profile"] |= {"duration_s": 60.0}
    plugin = subprocess.Popen(
        [sys.executable, "-c", PLUGIN, json.dumps(inputs)], cwd=ROOT, stdout=subprocess.DEVNULL, env=dict(os.environ)
    )
    deadline_s = time.monotonic() + 60
    while not (files := list((tmp_path / "runs").glob("*/locust-0.csv"))) or files[0].stat().st_size < 1000:
        assert plugin.poll() is None
        assert time.monotonic() < deadline_s
        time.sleep(0.1)
    folder = files[0].parent
    code, output = imported(folder, tmp_path / "too-early")
    assert code == 1
    assert f"the load test in {folder} still runs, so it is not imported; wait for its end" in output
    plugin.send_signal(signal.SIGKILL)
    plugin.wait()
    while "still runs" in imported(folder, tmp_path / "waiting")[1]:
        assert time.monotonic() < deadline_s
        time.sleep(0.5)
    return folder


@pytest.fixture
def folder(killed: Path, tmp_path: Path) -> Path:
    """A copy, which the test may damage."""
    return Path(shutil.copytree(killed, tmp_path / killed.name))


def test_what_a_killed_plugin_measured_is_stored_as_an_invalid_run(killed: Path, folder: Path, tmp_path: Path) -> None:
    code, output = imported(folder, tmp_path / "store")
    assert code == 0, output
    raw = read_all_raw_rows(killed, 1)
    store = ResultsStore(str(tmp_path / "store"))
    scan = store.scan()
    [run] = scan.manifests
    assert (scan.problems, scan.unfinished) == ((), ())
    assert (run.run_id, run.stack, run.key) == (killed.name, "kubernetes", Key(rerun="once more"))
    assert run.validity.verdict == "invalid"
    assert run.validity.reasons[0] == KILLED
    assert run.deployment is not None
    assert run.cost.hourly is not None
    assert run.started_at < run.finished_at
    stored = pa.concat_tables(rows_in_order(store, run))
    assert stored.sort_by("start") == raw.rows.sort_by("start")
    assert stored.num_rows > 5
    assert f"marked invalid ({KILLED}" in output

    shown = CliRunner().invoke(app, ["runs", "--results", str(tmp_path / "store"), "--json"])
    [as_json] = json.loads(shown.stdout)["runs"]
    assert as_json["valid"] is False
    code, output = imported(folder, tmp_path / "store")
    assert (code, "already, so there is nothing to store" in output) == (1, True)


def test_a_row_that_was_only_partly_written_is_named_and_not_stored(folder: Path, tmp_path: Path) -> None:
    rows = folder / f"{worker_name(0)}.csv"
    whole = rows.read_bytes().splitlines(keepends=True)
    rows.write_bytes(b"".join(whole[:7]) + whole[7][:20])
    code, output = imported(folder, tmp_path / "store")
    assert code == 0, output
    [run] = ResultsStore(str(tmp_path / "store")).scan().manifests
    assert any(reason.startswith("the last row was only partly written") for reason in run.validity.reasons)
    assert run.files
    assert run.files[0].rows == 7


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "locust-0.csv").unlink(), "holds no rows, since its load test was killed before"),
        (lambda folder: (folder / "plan.json").unlink(), "holds no rows, since its load test never started"),
        (lambda folder: (folder / "run.json").unlink(), "holds no run to import, since it has neither sha256sums nor"),
        (lambda folder: (folder / "run.json").write_text("{"), "was started by another version of this project, or"),
        (lambda folder: (folder / "plan.json").write_text("{}"), "was started by another version of this project, or"),
    ],
    ids=["no rows", "no plan", "no record", "half a record", "half a plan"],
)
def test_a_folder_without_what_a_run_needs_is_refused_with_the_reason(damage, said, folder, tmp_path) -> None:
    damage(folder)
    code, output = imported(folder, tmp_path / "store")
    assert code == 1
    [line] = output.splitlines()
    assert said in line
    assert not (tmp_path / "store").exists()
