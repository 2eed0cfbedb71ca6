"""A load test on this machine, with real Locust, without Pulumi."""

import os
import re
import shlex
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from analysis.results import store as store_module
from analysis.results.columns import rows_in_order
from analysis.results.file_system import write_to_disk
from analysis.results.store import ResultsStore
from loadtest.generator.plan import worker_name
from provider.record import record_run, work_folder
from provider.record.work_folder import MeasuredRun
from provider.resource import Operation, Props, ResourceError
from provider.resources.local_load_test import LocalLoadTest
from shapebench.cli import app


def test_the_manifest_has_this_machine_as_that_of_server_and_generator(
    load_test_inputs: Props, server_url: str
) -> None:
    inputs = load_test_inputs | {"platform": "local", "baseUrl": server_url, "restUrl": server_url}
    LocalLoadTest().create(inputs, Operation(print, print))
    (manifest,) = ResultsStore(inputs["results"]).scan().manifests
    assert manifest.validity.reasons == ()
    (server,) = manifest.replicas
    assert (server.name, server.node, server.kernel) == ("server", os.uname().nodename, os.uname().release)
    lines = [line.replace("\t", "") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    assert f"vendor_id: {server.cpu_vendor}" in lines
    assert f"model name: {server.cpu_model}" in lines
    assert manifest.generator.machine
    assert manifest.generator.machine.model_dump() == server.model_dump(exclude={"name"})
    assert manifest.deployment is not None


def test_a_run_that_could_not_be_stored_is_imported_as_the_run_that_it_is(
    load_test_inputs: Props, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = load_test_inputs | {"platform": "local", "baseUrl": server_url, "restUrl": server_url}

    def full(target: Path, content: bytes) -> None:
        if "samples" in target.parts:
            raise OSError(28, "No space left on device", str(target))
        write_to_disk(target, content)

    measured: list[MeasuredRun] = []

    def keep(run: MeasuredRun, folder: Path) -> None:
        measured.append(run)
        work_folder.keep_beside_raw_rows(run, folder)

    monkeypatch.setattr(store_module, "write_to_disk", full)
    monkeypatch.setattr(record_run, "keep_beside_raw_rows", keep)
    with pytest.raises(ResourceError) as raised:
        LocalLoadTest().create(inputs, Operation(print, print))
    monkeypatch.undo()
    message = str(raised.value)
    [run] = measured
    run_id, folder = run.manifest.run_id, Path(inputs["workDir"]) / run.manifest.run_id
    assert message.startswith(f"run {run_id} was measured and not stored: the results store ")
    assert "No space left on device" in message
    assert f"; give a folder that you can read and write. Its raw rows are in {folder}; " in message
    store = ResultsStore(inputs["results"])
    assert [each.split("run_id=")[1] for each in store.scan().unfinished] == [run_id]

    (command,) = re.findall("`shapebench (.*)` stores the run later", message)
    result = CliRunner().invoke(app, shlex.split(command))
    assert result.exit_code == 0, result.stderr
    assert f"run {run_id} of stack {run.manifest.stack} with " in result.stdout
    scan = store.scan()
    assert (scan.problems, scan.unfinished) == ((), ())
    [stored] = scan.manifests
    assert stored.model_copy(update={"files": None}) == run.manifest
    assert store.samples(stored) == run.samples
    assert pa.concat_tables(rows_in_order(store, stored)).sort_by("start") == run.rows.sort_by("start")
    assert run.rows.num_rows > 0 < run.samples.num_rows

    again = CliRunner().invoke(app, shlex.split(command))
    assert again.exit_code == 1
    assert f"run {run_id} of stack {run.manifest.stack} is in {store.uri} already" in again.stderr
    with (folder / f"{worker_name(0)}.csv").open("r+") as rows:
        rows.write("1\n")
    changed = CliRunner().invoke(app, ["import", str(folder), "--results", f"{store.uri}-2"])
    assert changed.exit_code == 1
    assert f"{worker_name(0)}.csv is missing or is not what was written" in changed.stderr
    none = CliRunner().invoke(app, ["import", str(folder.parent), "--results", store.uri])
    assert (none.exit_code, "holds no run to import" in none.stderr) == (1, True)
