"""A load test on this machine, with real Locust, without Pulumi."""

import os
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from analysis.results.run.columns import rows_in_order
from analysis.results.run.disturbance import was_disturbed
from analysis.results.schema.manifest import Computation
from analysis.results.storage import store_files
from analysis.results.storage.file_system import write_to_disk
from analysis.results.storage.store import ResultsStore
from bench.generators.busy_loops import busy_loops
from bench.servers.processes import free_port
from loadtest.generator.monitoring.process_meter import Reading
from loadtest.generator.plan import worker_name
from loadtest.result.outcome import LoadTestOutcome
from provider import measure_here
from provider.local.server_process import listening_process, start_detached, stop_all
from provider.local.startup import Readiness, wait_until_serving
from provider.record import record_run, work_folder
from provider.record.work_folder import MeasuredRun
from provider.resource import Operation, Props, ResourceError
from provider.resources.local_load_test import LocalLoadTest
from provider.resources.local_serving import LocalServing, LocalServingState
from shapebench.cli import app
from stacks.server.models import RESNET50
from tests.support.load_test_inputs import local_load_test_inputs

pytestmark = pytest.mark.real_time

CHECKOUT = Path(__file__).parents[4]


def test_the_manifest_has_this_machine_and_what_the_server_says_of_its_computation(
    tmp_path: Path, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = local_load_test_inputs(tmp_path, server_url)
    requested_urls = []
    computation = Computation(precision="float32", largest_difference=1e-7)
    monkeypatch.setattr(measure_here, "computation_of", lambda url: requested_urls.append(url) or computation)
    LocalLoadTest().create(inputs, Operation(print, print))
    (manifest,) = ResultsStore(inputs["results"]).scan().manifests
    assert manifest.validity.reasons == ()
    assert requested_urls == [f"{inputs['restUrl']}/v1/models/resnet/metadata"]
    assert manifest.serving.computation == computation
    (server,) = manifest.replicas
    assert (server.name, server.node, server.kernel) == ("server", os.uname().nodename, os.uname().release)
    lines = [line.replace("\t", "") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    assert f"vendor_id: {server.cpu_vendor}" in lines
    assert f"model name: {server.cpu_model}" in lines
    assert manifest.generator.machine
    assert manifest.generator.machine.model_dump() == server.model_dump(exclude={"name"})
    assert manifest.deployment is not None


UNSETTLED = "the run did not settle: median latency rose by 63% over the hold phase"


def with_reasons(monkeypatch: pytest.MonkeyPatch, *of_each: tuple[str, ...]) -> None:
    """Load tests that are run as ever, and end with these reasons."""
    run, left = measure_here.run_load_test, list(of_each)

    def run_and_replace_reasons(*arguments: Any) -> LoadTestOutcome:
        reasons = left.pop(0)
        faults = tuple(reason for reason in reasons if reason != UNSETTLED)
        return replace(run(*arguments), faults=faults, unsettled=(UNSETTLED,) * (UNSETTLED in reasons))

    monkeypatch.setattr(measure_here, "run_load_test", run_and_replace_reasons)


def test_a_run_that_did_not_settle_is_kept_and_measured_again(
    tmp_path: Path, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, said = local_load_test_inputs(tmp_path, server_url), list[str]()
    with_reasons(monkeypatch, (UNSETTLED,), (UNSETTLED,), ())
    created = LocalLoadTest().create(inputs, Operation(said.append, print))
    runs = sorted(ResultsStore(inputs["results"]).scan().manifests, key=lambda run: run.started_at)
    assert [run.validity.reasons for run in runs] == [(UNSETTLED,), (UNSETTLED,), ()]
    assert created["runId"] == runs[-1].run_id
    for text, run, attempt in zip(said[:2], runs[:-1], (2, 3), strict=True):
        assert text.startswith(f"the load test failed: {UNSETTLED}. What it measured (")
        assert f"is stored as run {run.run_id}, marked invalid; " in text
        assert text.endswith(f". It is measured again: attempt {attempt} of 3")


@pytest.mark.parametrize(
    "of_each",
    [[(UNSETTLED,), (UNSETTLED,), (UNSETTLED,)], [("the clock ran backwards",)], [("server a restarted", UNSETTLED)]],
    ids=["again", "another", "both"],
)
def test_a_run_fails_that_does_not_settle_three_times_or_is_invalid_for_another_reason(
    tmp_path: Path, server_url: str, monkeypatch: pytest.MonkeyPatch, of_each: list[tuple[str, ...]]
) -> None:
    inputs = local_load_test_inputs(tmp_path, server_url)
    with_reasons(monkeypatch, *of_each)
    with pytest.raises(ResourceError, match="the load test failed: "):
        LocalLoadTest().create(inputs, Operation(print, print))
    manifests = ResultsStore(inputs["results"]).scan().manifests
    assert sorted(run.validity.reasons for run in manifests) == sorted(of_each)


def test_an_update_beside_busy_programs_is_refused_and_says_so_before_and_after(
    tmp_path: Path, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SHAPEBENCH_OTHER_PROGRAMS", raising=False)
    inputs, said = local_load_test_inputs(tmp_path, server_url), list[str]()
    inputs["profile"] = inputs["profile"] | {"duration_s": 4.0}
    with busy_loops(4), pytest.raises(ResourceError, match="the run was disturbed: other programs used"):
        LocalLoadTest().create(inputs, Operation(said.append, print))
    runs = ResultsStore(inputs["results"]).scan().manifests
    assert len(runs) == 3
    for run in runs:
        assert was_disturbed(run.validity.reasons)
        assert run.other_cpu is not None
        assert run.other_cpu.share > 0.5
    assert any("other programs use " in text and "of this machine's" in text for text in said)
    assert sum("It is measured again: attempt" in text for text in said) == 2


def test_a_warning_before_a_test_is_of_other_programs_and_not_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = {"machine": [Reading(100.0), Reading(101.2)], "server": [Reading(7.0), Reading(8.15)]}
    machine, server = (
        SimpleNamespace(most_cores=2.0, read=lambda name=name: readings[name].pop(0)) for name in readings
    )
    monkeypatch.setattr(measure_here, "_LOOK_S", 1.0)
    assert measure_here.machine_is_busy(machine, server) is None
    readings |= {"machine": [Reading(100.0), Reading(101.6)], "server": [Reading(7.0), Reading(7.04)]}
    warning = measure_here.machine_is_busy(machine, server)
    assert warning is not None
    assert warning.startswith("other programs use 1.56 of this machine's 2 cores now")
    readings |= {"machine": [Reading(100.0), Reading(101.6)], "server": [Reading(7.0), None]}
    assert measure_here.machine_is_busy(machine, server) is None, "the server has ended, which has a message of its own"


# A server with what a load test needs. While the file `broken` is in its folder it does not start.
SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from bench.servers.null_server import prediction

if Path("broken").exists():
    sys.exit("the model is gone")


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(b"{}")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(ANSWER)

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


ANSWER = prediction()
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Server).serve_forever()
"""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Props]:
    """The inputs for a server of its own, with its state as LocalServing has it."""
    port, log = free_port(), tmp_path / "serving/server.log"
    log.parent.mkdir()
    monkeypatch.chdir(log.parent)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    url = f"http://127.0.0.1:{port}"
    process = start_detached([sys.executable, "-c", SERVER, str(port)], log)
    readiness = Readiness.of("tensorflow_model_server", RESNET50.name, url, 20)
    wait_until_serving(process, log, readiness, Operation(print, print))
    yield local_load_test_inputs(tmp_path, url) | {"serverLog": str(log)}
    stop_all(log.parent, print)


def test_with_fresh_deployments_no_two_runs_have_the_same_server(served: Props) -> None:
    first = listening_process(served["baseUrl"])
    assert first
    state = {"pid": first.pid, "startedAs": first.started, "stateDir": str(Path(served["serverLog"]).parent)}
    log: list[str] = []
    LocalLoadTest().create(served | {"repeats": 2, "freshDeployment": True}, Operation(log.append, print))
    assert not first.alive
    restarting = "restarting the server, so that this run has a deployment of its own"
    assert [line for line in log if "restarting" in line] == [f"run 2 of 2: {restarting}"], "the first was fresh"
    LocalLoadTest().create(served | {"freshDeployment": True}, Operation(log.append, print))
    LocalLoadTest().create(served, Operation(log.append, print))
    assert log.count(restarting) == 1, "another update finds a server that has answered a run, and asks or not"
    runs = ResultsStore(served["results"]).scan().manifests
    assert [run.validity.reasons for run in runs] == [()] * 4
    deployments = [run.deployment for run in runs]
    assert len(set(deployments)) == 3
    assert deployments[2] == deployments[3]

    serving = LocalServing()
    assert serving.stale_outputs(LocalServingState.parse(state)) == [], "the next update has nothing to do"
    assert serving.read(state) == state
    serving.delete(state, Operation(print, print))
    assert listening_process(served["baseUrl"]) is None


def test_a_server_that_does_not_come_back_ends_the_update_and_the_runs_before_are_kept(served: Props) -> None:
    (Path(served["serverLog"]).parent / "broken").touch()
    with pytest.raises(ResourceError) as failure:
        LocalLoadTest().create(served | {"repeats": 3, "freshDeployment": True}, Operation(print, print))
    (run,) = ResultsStore(served["results"]).scan().manifests
    message = str(failure.value)
    assert message.startswith(
        f"run 2 of 3 (valid and stored before it: {run.run_id}): the server ended before it served the model, so"
        " nothing was measured; "
    )
    assert message.endswith("the model is gone")
    assert run.validity.verdict == "valid"


def test_a_server_that_cannot_be_seen_is_not_taken_for_a_fresh_one(
    served: Props, monkeypatch: pytest.MonkeyPatch
) -> None:
    LocalLoadTest().create(served, Operation(print, print))
    monkeypatch.setattr(measure_here, "listening_process", lambda _: None)
    said = (
        r"no process can be seen that listens at .*; if it has ended, run `pulumi up` again; if another user started"
        r" it, .*, or set shapebench:load\.freshDeployment to false$"
    )
    with pytest.raises(ResourceError, match=said):
        LocalLoadTest().create(served | {"freshDeployment": True}, Operation(print, print))


def test_a_run_that_could_not_be_stored_is_imported_as_the_run_that_it_is(
    tmp_path: Path, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = local_load_test_inputs(tmp_path, server_url)

    def full(target: Path, content: bytes) -> None:
        if "samples" in target.parts:
            raise OSError(28, "No space left on device", str(target))
        write_to_disk(target, content)

    measured: list[MeasuredRun] = []

    def keep(run: MeasuredRun, folder: Path) -> None:
        measured.append(run)
        work_folder.keep_beside_raw_rows(run, folder)

    monkeypatch.setattr(store_files, "write_to_disk", full)
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
    assert [unfinished.split("run_id=")[1] for unfinished in store.scan().unfinished] == [run_id]

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
    (folder / "manifest.json").rename(folder / "away.json")
    headless = CliRunner().invoke(app, ["import", str(folder), "--results", f"{store.uri}-2"])
    assert headless.exit_code == 1
    assert "manifest.json cannot be read (No such file or directory), so the run cannot be imported" in headless.stderr
    (folder / "away.json").rename(folder / "manifest.json")
    with (folder / f"{worker_name(0)}.csv").open("r+") as rows:
        rows.write("1\n")
    changed = CliRunner().invoke(app, ["import", str(folder), "--results", f"{store.uri}-2"])
    assert changed.exit_code == 1
    assert f"{worker_name(0)}.csv is missing, or its SHA-256 is not the one in " in changed.stderr
    none = CliRunner().invoke(app, ["import", str(folder.parent), "--results", store.uri])
    assert (none.exit_code, "holds no run to import" in none.stderr) == (1, True)
