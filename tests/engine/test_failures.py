"""What goes wrong ends in one clear error, leaves no process behind, and the next update recovers by itself."""

import os
import re
import signal
import socket
import subprocess
import time

import yaml

from tests.engine.harness import LONG, SMOKE, WORK_DIR, Stack, eventually, generators, servers_on


def wait_for_load(stack):
    """Until the generator of this stack's update asks; returns the server's process."""
    eventually(lambda: generators(stack), "a generator runs", within_s=120)
    time.sleep(4)
    (server,) = servers_on(stack.config["local"]["restPort"])
    return server


def test_a_wrong_key_fails_before_anything_is_created(stack):
    good = stack.config["serving"]
    stack.config["serving"] = {"protocol": "rest", "interOp": 0}
    failed = stack.up()
    stack.config["serving"] = good
    assert failed.returncode != 0
    assert "shapebench:serving.interOp is 0" in failed.stdout
    assert "Traceback" not in failed.stdout
    assert not [r for r in stack.resources() if r["type"].startswith("shapebench:")]


def test_a_gke_stack_without_a_zone_fails_before_anything_is_created(stack):
    stack.config["platform"] = "gke"
    failed = stack.up()
    stack.config["platform"] = "local"
    assert failed.returncode != 0
    assert "gcp:zone is not set, so the cluster has no zone" in failed.stdout
    assert "`pulumi config set gcp:zone ZONE --stack NAME` with a zone of us-central1, which" in failed.stdout
    assert [r["type"] for r in stack.resources()] in ([], ["pulumi:pulumi:Stack"])


def test_a_gke_stack_with_a_token_under_an_empty_passphrase_is_refused(tmp_path):
    stack = Stack("empty-passphrase", tmp_path, variables={"PULUMI_CONFIG_PASSPHRASE": ""})
    stack.config = {"platform": "gke", "serving": {"protocol": "rest", "interOp": 2}, "load": SMOKE}
    stack.config["shape"] = {"machineType": "e2-custom-2-4096", "nodes": 1}
    stack.providers_config = {"gcp:zone": "us-central1-a"}
    stack.init()
    in_file = ("--config-file", str(stack.config_file))
    stack.must("config", "set", "--secret", "gcp:accessToken", "ya29.s3cr3t", *in_file)
    stack.providers_config = yaml.safe_load(stack.config_file.read_text())["config"]
    assert "secure" in stack.providers_config["gcp:accessToken"]
    failed = stack.up()
    assert failed.returncode != 0
    assert "the passphrase of stack empty-passphrase is empty, so whoever has" in failed.stdout
    assert "ya29.s3cr3t" not in failed.stdout
    assert "Traceback" not in failed.stdout
    assert [r["type"] for r in stack.resources()] in ([], ["pulumi:pulumi:Stack"])


def test_a_taken_port_is_named_and_nothing_is_left_behind(stack):
    port = stack.config["local"]["restPort"]
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        failed = stack.up()
    assert failed.returncode != 0
    assert f"shapebench:local.restPort is {port}" in failed.stdout
    assert f"process {os.getpid()}" in failed.stdout
    assert "Traceback" not in failed.stdout
    assert servers_on(port) == []


def test_a_start_that_takes_too_long_shows_the_log_and_leaves_no_process(stack):
    good = stack.config["local"]
    stack.config["local"] = good | {"startTimeoutS": 0.5}
    failed = stack.up()
    stack.config["local"] = good
    assert failed.returncode != 0
    assert "startTimeoutS" in failed.stdout
    assert servers_on(good["restPort"]) == []


def test_a_server_killed_mid_test_fails_the_update_within_15_s_and_keeps_the_rows(stack):
    stack.config["load"] = LONG
    update = stack.start("up", "--yes", "--skip-preview")
    server = wait_for_load(stack)
    os.kill(server.pid, signal.SIGKILL)
    killed_at = time.monotonic()
    output, _ = update.communicate(timeout=60)
    assert time.monotonic() - killed_at < 15
    assert update.returncode != 0
    assert "the load test failed: " in output
    assert "Traceback" not in output
    (run,) = stack.runs()
    assert run.validity.verdict == "invalid"
    assert run.validity.reasons
    assert list(stack.results.glob(f"requests/stack=*/run_id={run.run_id}/*.parquet"))
    assert generators(stack) == []


def test_the_next_up_recovers_by_itself(stack):
    stack.config["load"] = SMOKE
    stack.must_up()
    assert [run.validity.verdict for run in stack.runs()] == ["invalid", "valid"]


def test_an_interrupt_ends_the_generator_and_keeps_what_was_measured(stack):
    stack.config["load"] = LONG
    update = stack.start("up", "--yes", "--skip-preview")
    wait_for_load(stack)
    os.kill(update.pid, signal.SIGINT)
    output, _ = update.communicate(timeout=60)
    assert update.returncode != 0
    assert generators(stack) == []
    run = stack.runs()[-1]
    assert run.validity.verdict == "invalid"
    assert "cancelled" in " ".join(run.validity.reasons)
    assert run.run_id in output


def test_going_back_to_the_load_before_a_failed_test_is_no_return_to_its_run(stack):
    """Though a refresh, which finds nothing amiss, comes between."""
    before = len(stack.runs())
    stack.config["load"] = SMOKE
    stack.must("refresh", "--yes", "--skip-preview")
    # The check of the results store, and the load test.
    assert "2 to update" in stack.must("preview")
    stack.must_up()
    assert [run.validity.verdict for run in stack.runs()[before:]] == ["valid"]
    stack.must("preview", "--expect-no-changes")


def test_a_killed_engine_takes_the_generator_with_it_and_the_rows_are_kept(stack):
    before = len(stack.runs())
    stack.config["load"] = LONG
    update = stack.start("up", "--yes", "--skip-preview")
    wait_for_load(stack)
    os.kill(update.pid, signal.SIGKILL)
    update.communicate(timeout=60)
    eventually(lambda: not generators(stack), "the generator is gone", within_s=20)
    eventually(lambda: len(stack.runs()) == before + 1, "the run is kept", within_s=20)
    assert stack.runs()[-1].validity.verdict == "invalid"


def test_after_a_killed_engine_an_up_completes(stack):
    before = len(stack.runs())
    stack.config |= {"load": SMOKE, "rerun": "after the engine was killed"}
    stack.run("cancel", "--yes")
    stack.must_up()
    assert [run.validity.verdict for run in stack.runs()[before:]] == ["valid"]


def test_only_failed_runs_leave_the_log_of_their_generator(stack):
    left = {folder.name for folder in WORK_DIR.iterdir() if (folder / "locust.log").is_file()}
    for run in stack.runs():
        assert (run.run_id in left) == (run.validity.verdict == "invalid")


def test_a_recycled_pid_is_not_ended_by_destroy(stack):
    pid = stack.outputs()["serverPid"]
    os.kill(pid, signal.SIGKILL)
    bystander = subprocess.Popen(["sleep", "300"], start_new_session=True)
    try:
        forged = stack.home / "forged.json"
        forged.write_text(
            re.sub(rf'"(pid|serverPid)": {pid}\b', rf'"\1": {bystander.pid}', stack.must("stack", "export"))
        )
        stack.must("stack", "import", "--file", str(forged))
        assert stack.outputs()["serverPid"] == bystander.pid
        stack.must("destroy", "--yes", "--skip-preview")
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
