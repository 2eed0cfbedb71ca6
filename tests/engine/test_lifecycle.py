"""The life of a local stack: up, nothing to do, something to do, down. Each test goes on where the last one stopped."""

import os
import re
import signal
import urllib.error
import urllib.request
from itertools import pairwise
from pathlib import Path

import pandas as pd
import pytest

from analysis.results.run.counters import requests_by_replica
from analysis.results.storage.store import ResultsStore
from tests.engine.harness import SMOKE, Stack, answered_ok, eventually, generators, servers_on


def post(port: int, body: bytes) -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/models/resnet:predict", data=body)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def rows_of(stack: Stack, run_id: str) -> pd.DataFrame:
    (folder,) = stack.results.glob(f"requests/stack=*/run_id={run_id}")
    return pd.read_parquet(folder)


def server_pid(stack: Stack) -> int:
    return stack.outputs()["serverPid"]


@pytest.fixture(scope="module", autouse=True)
def first_up(stack):
    return stack.must_up()


def test_up_serves_measures_prices_and_says_so(stack, first_up):
    outputs = stack.outputs()
    (run,) = stack.runs()
    assert run.run_id == outputs["runId"]
    assert run.validity.verdict == "valid"
    assert run.serving.server == "shapebench-embedded"
    assert run.serving.model.weights == "random"
    assert run.cost.hourly
    assert outputs["headline"]["goodput_rps"] > 0
    assert outputs["summary"].startswith(f"{outputs['headline']['goodput_rps']:.1f} good predictions/s, p50 ")
    assert outputs["details"] == f"shapebench show {run.run_id} --results {stack.results}"


# The progress line of a load test.
PROGRESS = r"\d+/\d+ s hold, \d+\.\d/s, p99 \d+ ms, 0 failed"


def test_up_ends_in_a_summary_and_waits_in_one_line(stack, first_up):
    outputs = stack.outputs()
    progress, _, diagnostics = first_up.partition("Diagnostics:")
    assert progress.count("waiting for the server to load the model") == 1
    assert re.search(PROGRESS, progress)
    logged, _, shown = diagnostics.partition("Outputs:")
    assert f"run {outputs['runId']}: {outputs['summary']}" in logged
    assert f"serves on {outputs['restUrl']} until `pulumi destroy`" in logged
    assert not re.search(PROGRESS, logged)
    lines = [line.strip() for line in shown.splitlines() if line.startswith("    ")]
    # What follows it are the numbers of resources.
    assert lines[-2] == f'summary    : "{outputs["summary"]}"'
    assert re.fullmatch(r"\+ \d+ created", lines[-1])
    assert max(map(len, re.findall(r"\d+\.\d+", shown.partition("headline")[2].partition("}")[0]))) <= 8


def test_the_manifest_says_what_machine_served_and_asked(stack):
    (run,) = stack.runs()
    (server,) = run.replicas
    cpuinfo = dict(line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines())
    cpuinfo = {name.strip(): value.strip() for name, value in cpuinfo.items()}
    assert server.cpu_model == cpuinfo["model name"]
    assert server.cpu_vendor == cpuinfo["vendor_id"]
    family, model, stepping = (cpuinfo[name] for name in ("cpu family", "model", "stepping"))
    assert server.cpu_signature == f"family {family}, model {model}, stepping {stepping}"
    assert (server.name, server.node, server.kernel) == ("server", os.uname().nodename, os.uname().release)
    assert run.generator.machine.model_dump() == server.model_dump(exclude={"name"})
    assert re.fullmatch(r"0\.1\.0\+[0-9a-f]{8}", run.serving.server_version), "the build of the embedded server"


def test_what_server_and_generator_used_is_known_for_the_whole_hold(stack):
    (run,) = stack.runs()
    rows = rows_of(stack, run.run_id)
    held = rows[rows["phase"] == "hold"]
    samples = ResultsStore(str(stack.results)).samples(run).to_pandas()
    for subject in ("server", "generator"):
        cores = samples[(samples["subject"] == subject) & (samples["quantity"] == "cpu_cores")]
        at = sorted([held["start"].min(), *cores["at"], held["start"].max()])
        during = [moment for moment in at if held["start"].min() <= moment <= held["start"].max()]
        gaps_s = [(later - earlier).total_seconds() for earlier, later in pairwise(during)]
        assert max(gaps_s) < 2, subject
        within = cores[cores["at"].between(held["start"].min(), held["start"].max())]
        assert within["value"].mean() > 0, subject
        memory = samples[(samples["subject"] == subject) & (samples["quantity"] == "memory_bytes")]["value"]
        assert memory.between(20e6, 100e9).all(), subject


def test_the_servers_own_counters_say_that_it_answered_just_what_was_sent(stack):
    (run,) = stack.runs()
    samples = ResultsStore(str(stack.results)).samples(run)
    assert requests_by_replica(samples) == {"server": len(rows_of(stack, run.run_id))}
    totals = samples.to_pandas().groupby("quantity")["value"].agg(lambda values: values.max() - values.min())
    assert totals["request_latency_count"] == totals["requests_ok_total"]
    assert totals["request_latency_us_sum"] > totals["runtime_latency_us_sum"] > 0


def test_no_generator_outlives_the_update(stack):
    assert generators(stack) == []


def test_the_server_outlives_the_update(stack):
    (server,) = servers_on(stack.config["local"]["restPort"])
    assert server.pid == server_pid(stack)


def test_the_server_listens_on_the_loopback_only(stack):
    (server,) = servers_on(stack.config["local"]["restPort"])
    listening = [connection for connection in server.net_connections("inet") if connection.status == "LISTEN"]
    # gRPC listens by an IPv6 socket on the mapped form of the IPv4 loopback.
    assert {connection.laddr.ip.removeprefix("::ffff:") for connection in listening} == {"127.0.0.1"}
    ports = {stack.config["local"]["restPort"], stack.config["local"]["grpcPort"]}
    assert {connection.laddr.port for connection in listening} == ports


def test_state_holds_no_code_and_no_secret(stack):
    for resource in stack.resources():
        assert "__provider" not in resource.get("outputs", {})
    assert "engine-tier" not in stack.must("stack", "export")


def test_a_second_preview_shows_no_changes(stack):
    stack.must("preview", "--expect-no-changes")


def test_a_second_up_measures_nothing_again(stack):
    stack.must_up()
    assert len(stack.runs()) == 1


def test_a_changed_profile_runs_the_test_again_on_the_same_server(stack):
    before = server_pid(stack)
    stack.config["load"] = SMOKE | {"users": 3}
    stack.must_up()
    assert [run.load.users for run in stack.runs()] == [4, 3]
    assert server_pid(stack) == before


def test_a_rerun_token_runs_the_test_again(stack):
    stack.config["rerun"] = "once more"
    stack.must_up()
    assert len(stack.runs()) == 3
    stack.must("preview", "--expect-no-changes")


def test_malformed_requests_beside_a_test_cost_it_no_row(stack):
    """The server's own count of what it answered is the number of rows: nothing was lost on either side."""
    port = stack.config["local"]["restPort"]
    stack.config["rerun"] = "beside malformed requests"
    before = answered_ok(port)
    update = stack.start("up", "--yes", "--skip-preview")
    eventually(lambda: generators(stack), "a generator runs", within_s=120)
    codes = [post(port, b'{"instances": [[[[1.0, 2.0' + b"]" * number) for number in range(30)]
    output, _ = update.communicate(timeout=120)
    assert update.returncode == 0, output
    assert codes == [400] * 30
    run = stack.runs()[-1]
    rows = rows_of(stack, run.run_id)
    assert rows["ok"].all()
    assert len(rows) == answered_ok(port) - before - 1, "one before the test, for the right answer"
    assert run.validity.verdict == "valid"


def test_a_changed_variant_restarts_the_server_and_runs_the_test_again(stack):
    before = server_pid(stack)
    stack.config["serving"] = {"protocol": "rest", "interOp": 1, "intraOp": 1}
    stack.must_up()
    assert server_pid(stack) != before
    assert [run.serving.inter_op for run in stack.runs()] == [2, 2, 2, 2, 1]
    assert len(servers_on(stack.config["local"]["restPort"])) == 1


def test_a_killed_server_is_started_again_and_nothing_is_measured_again(stack):
    before = server_pid(stack)
    os.kill(before, signal.SIGKILL)
    assert stack.run("preview", "--expect-no-changes").returncode != 0
    stack.must_up()
    assert server_pid(stack) != before
    assert len(servers_on(stack.config["local"]["restPort"])) == 1
    assert len(stack.runs()) == 5


def test_a_refresh_notices_a_killed_server(stack):
    os.kill(server_pid(stack), signal.SIGKILL)
    stack.must("refresh", "--yes", "--skip-preview")
    assert not [r for r in stack.resources() if r["type"] == "shapebench:local:LocalServing"]
    stack.must_up()
    assert len(servers_on(stack.config["local"]["restPort"])) == 1


def test_with_fresh_deployments_the_server_is_restarted_between_repeats_and_the_state_knows_it(stack):
    port = stack.config["local"]["restPort"]
    (before,) = servers_on(port)
    command = before.cmdline()
    stack.config["load"] = SMOKE | {"repeats": 2, "freshDeployment": True}
    stack.must_up()
    (after,) = servers_on(port)
    assert after.pid != before.pid
    assert after.cmdline() == command
    earlier, *repeats = stack.runs()[-3:]
    assert len({run.deployment for run in (earlier, *repeats)}) == 3
    assert [run.validity.verdict for run in repeats] == ["valid", "valid"]
    stack.must("preview", "--expect-no-changes")
    stack.must("refresh", "--yes", "--skip-preview")
    stack.must("preview", "--expect-no-changes")
    assert [server.pid for server in servers_on(port)] == [after.pid]


def test_destroy_leaves_no_server_and_all_results(stack):
    kept = len(stack.runs())
    stack.must("destroy", "--yes", "--skip-preview")
    eventually(lambda: not servers_on(stack.config["local"]["restPort"]), "the server is gone")
    assert stack.resources() == [] or all(r["type"] == "pulumi:pulumi:Stack" for r in stack.resources())
    assert len(stack.runs()) == kept
