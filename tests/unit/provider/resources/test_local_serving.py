"""The local server: which one runs, when it is started again, and the errors when it cannot start."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from bench.servers.processes import free_port
from provider.local.server_process import ProcessIdentity, stop_all
from provider.resource import UNKNOWN, Operation, ResourceError
from provider.resources import local_serving
from provider.resources.local_serving import LocalServing
from provider.resources.server_cleanup import ServerCleanup
from stacks.server.models import RESNET50
from tests.engine.harness import eventually

INPUTS = {
    "model": RESNET50.model_dump(),
    "modelDigest": "d1",
    "protocol": "rest",
    "intraOp": 1,
    "interOp": 1,
    "grpcThreads": 1024,
    "restThreads": 8,
    "server": "embedded",
    "startTimeoutS": 60,
}


@pytest.fixture
def operation():
    return Operation(info=lambda _: None, status=lambda _: None, cancelled=threading.Event())


@pytest.fixture
def inputs(tmp_path):
    ports = {"restPort": free_port(), "grpcPort": free_port()}
    return INPUTS | ports | {"modelPath": str(tmp_path / "model"), "stateDir": str(tmp_path / "state")}


@pytest.fixture
def model_server_on_path(tmp_path, monkeypatch):
    """A script under the real server's name that says its version, or runs for a minute and serves nothing."""
    script = tmp_path / "bin" / "tensorflow_model_server"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/sh\n"
        f"if [ \"$1\" != --version ]; then exec '{sys.executable}' -c 'import time; time.sleep(60)' \"$@\"; fi\n"
        "echo 'TensorFlow ModelServer: 2.20.0-rc1'\necho 'TensorFlow Library: 2.20.0'\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(script.parent), prepend=":")


def test_the_embedded_server_has_its_own_name_and_version(inputs):
    checked = LocalServing().check(inputs)
    assert checked["server"] == "shapebench-embedded"
    assert checked["serverVersion"][0].isdigit()


@pytest.mark.usefixtures("model_server_on_path")
def test_auto_takes_a_real_server_on_path(inputs):
    checked = LocalServing().check(inputs | {"server": "auto"})
    assert (checked["server"], checked["serverVersion"]) == ("tensorflow_model_server", "2.20.0-rc1")


@pytest.mark.usefixtures("model_server_on_path")
def test_a_protocol_that_the_server_does_not_speak_is_refused_in_the_preview(inputs):
    with pytest.raises(
        ResourceError, match="is v2-rest, which TensorFlow Serving does not speak; set it to rest or gr"
    ):
        LocalServing().check(inputs | {"server": "auto", "protocol": "v2-rest"})
    assert LocalServing().check(inputs | {"protocol": "v2-rest"})["server"] == "shapebench-embedded"


@pytest.mark.usefixtures("model_server_on_path")
def test_the_embedded_server_can_be_chosen_although_a_real_one_is_on_path(inputs):
    assert LocalServing().check(inputs)["server"] == "shapebench-embedded"


def test_a_missing_real_server_is_an_error_that_says_how_to_mend_it(inputs, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ResourceError, match=r"shapebench:local\.server is tensorflow_model_server.*set .* to embedded"):
        LocalServing().check(inputs | {"server": "tensorflow_model_server"})


@pytest.mark.parametrize("server", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"outputs": [{"name": "label", "dtype": "string", "shape": [None]}]}, "it computes no text, and label of"),
        ({"signature": "classify"}, "it converts the signature serving_default only, not classify"),
    ],
)
def test_a_model_that_cannot_be_converted_is_refused_in_the_preview(inputs, server, changed, reason):
    model = RESNET50.model_dump() | changed
    with pytest.raises(ResourceError, match=f"server is {server}, which cannot serve this model: {reason}.*embedded"):
        LocalServing().check(inputs | {"server": server, "model": model})
    assert LocalServing().check(inputs | {"model": model})["server"] == "shapebench-embedded"


@pytest.mark.parametrize(
    "changed",
    [
        {"interOp": 2},
        {"restThreads": 16},
        {"intraOp": 2},
        {"oneDnn": False},
        {"modelDigest": "d2"},
        {"server": "other"},
    ],
)
def test_the_fingerprint_changes_with_what_is_measured(inputs, changed):
    before, after = LocalServing().preview(inputs), LocalServing().preview(inputs | changed)
    assert before["fingerprint"] != after["fingerprint"]


@pytest.mark.parametrize("changed", [{"restPort": 1234}, {"grpcThreads": 2048}])
def test_the_server_starts_again_for_a_port_or_a_quota_and_its_fingerprint_stays(inputs, changed):
    before, after = LocalServing().preview(inputs), LocalServing().preview(inputs | changed)
    assert before["fingerprint"] == after["fingerprint"]
    assert set(changed) <= set(LocalServing().changed(before | {"pid": 1, "startedAs": ""}, inputs | changed))


def test_the_fingerprint_is_unknown_while_the_model_is(inputs):
    assert LocalServing().preview(inputs | {"modelDigest": UNKNOWN})["fingerprint"] is UNKNOWN


def test_a_server_that_died_causes_an_update_and_is_gone_for_a_refresh(inputs):
    state = inputs | {"pid": 2**22 + 1, "startedAs": "another-boot:1"}
    assert LocalServing().changed(state, inputs) == ["pid"]
    assert LocalServing().read(state) is None


def test_a_port_in_use_is_an_error_that_names_the_process(inputs, operation):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", inputs["restPort"]))
        holder.listen()
        with pytest.raises(ResourceError, match=rf"restPort is {inputs['restPort']}, and process \d+ .*restPort \d+"):
            LocalServing().create(LocalServing().check(inputs), operation)


def test_a_model_that_does_not_load_shows_the_log_and_leaves_no_process(inputs, operation, tmp_path, monkeypatch):
    version = tmp_path / "model" / "1"
    version.mkdir(parents=True)
    (version / "saved_model.pb").write_bytes(b"this is no model")
    started = []
    stop = ProcessIdentity.stop
    monkeypatch.setattr(ProcessIdentity, "stop", lambda process: (started.append(process), stop(process)))
    with pytest.raises(ResourceError, match=r"(?s)Its log \(.*server\.log\) ends:\n.*does not load: "):
        LocalServing().create(LocalServing().check(inputs), operation)
    assert started
    assert not any(process.alive for process in started)


@pytest.mark.usefixtures("model_server_on_path")
@pytest.mark.parametrize(("setting", "value"), [({}, None), ({"oneDnn": True}, "1"), ({"oneDnn": False}, "0")])
def test_the_server_is_told_whether_to_compute_with_onednn_whatever_this_process_was_told(
    inputs, operation, monkeypatch, setting, value
):
    """Without the setting TensorFlow decides by the CPU, and a run that says so must not have inherited an answer."""
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "inherited")
    environments = []

    def note_and_stop(process, *_):
        started = psutil.Process(process.pid)

        def is_given():
            # One reading: between two, a script's interpreter takes the place of its process.
            found = started.environ()
            if "SHAPEBENCH_SERVER_FOLDER" in found:
                environments.append(found)
            return bool(environments)

        eventually(is_given, "the kernel has given it its environment")
        process.stop()

    monkeypatch.setattr(local_serving, "wait_until_serving", note_and_stop)
    LocalServing().create(LocalServing().check(inputs | {"server": "auto"} | setting), operation)
    assert [environment.get("TF_ENABLE_ONEDNN_OPTS") for environment in environments] == [value]


def test_a_cancelled_start_leaves_no_process(inputs, operation, tmp_path):
    operation.cancelled.set()
    with pytest.raises(ResourceError, match="the update was cancelled while the server started"):
        LocalServing().create(LocalServing().check(inputs), operation)
    assert stop_all(tmp_path / "state", print) == []


# A plugin with which a server waits for its model and does not answer, until the plugin is killed.
PLUGIN = """
import json, sys, threading
from provider.resource import Operation
from provider.resources import local_serving
from provider.resources.local_serving import LocalServing
operation = Operation(info=print, status=lambda _: print("started", flush=True))
LocalServing().create(json.loads(sys.argv[1]), operation)
"""


@pytest.fixture
def left_running(inputs, model_server_on_path):
    """A server whose plugin was killed while it started it."""
    plugin = subprocess.Popen(
        [sys.executable, "-c", PLUGIN, json.dumps(LocalServing().check(inputs | {"server": "auto"}))],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert plugin.stdout.readline() == "started\n"
    plugin.kill()
    plugin.communicate()
    # A process has no command line for a moment when it becomes another program, as that of the script does.
    (server,) = eventually(lambda: servers_on(inputs["restPort"]), "the server has its command line")
    yield server
    server.kill()


def servers_on(port):
    return [process for process in psutil.process_iter() if f"--rest_api_port={port}" in command_line(process)]


def command_line(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


@pytest.mark.parametrize("record", [None, "", "{broken", '{"pid": 1, "started": "x"}'])
def test_the_next_update_stops_a_server_whose_plugin_was_killed(inputs, left_running, operation, record):
    """Whatever is in server.json, in which earlier versions kept the pid."""
    file = Path(inputs["stateDir"]) / "server.json"
    file.unlink(missing_ok=True)
    if record is not None:
        file.write_text(record)
    lines = []
    operation.info = lines.append
    operation.cancelled.set()
    with pytest.raises(ResourceError, match="the update was cancelled while the server started"):
        LocalServing().create(LocalServing().check(inputs | {"server": "auto"}), operation)
    assert lines == [f"stopped process {left_running.pid}, a server that an interrupted update left running"]
    assert servers_on(inputs["restPort"]) == []


def test_a_destroy_stops_a_server_whose_plugin_was_killed(inputs, left_running, operation):
    cleanup = {"stateDir": inputs["stateDir"]}
    elsewhere = {"stateDir": inputs["stateDir"] + "-of-another-stack"}
    ServerCleanup().delete(ServerCleanup().create(elsewhere, operation), operation)
    assert servers_on(inputs["restPort"]) == [left_running]
    ServerCleanup().delete(ServerCleanup().create(cleanup, operation), operation)
    assert servers_on(inputs["restPort"]) == []


def test_a_server_in_a_folder_that_the_stack_no_longer_uses_is_stopped(inputs, left_running, operation):
    cleanup, elsewhere = {"stateDir": inputs["stateDir"]}, {"stateDir": inputs["stateDir"] + "-moved"}
    assert ServerCleanup().changed(cleanup, elsewhere) == ["stateDir"]
    assert ServerCleanup().update(cleanup, elsewhere, operation) == elsewhere
    assert servers_on(inputs["restPort"]) == []


# A limit of the size of files stands in for a full disk: the kernel refuses the write in both cases, here with EFBIG
# (setrlimit(2)), there with ENOSPC (write(2)).
FULL_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
"""


@pytest.mark.usefixtures("model_server_on_path")
def test_a_full_disk_is_one_clear_error_and_leaves_no_server(inputs):
    checked = json.dumps(LocalServing().check(inputs | {"server": "auto"}))
    full = subprocess.run(
        [sys.executable, "-c", FULL_DISK + PLUGIN, checked], capture_output=True, text=True, check=False, timeout=60
    )
    assert servers_on(inputs["restPort"]) == []
    error = full.stderr.splitlines()[-1]
    assert error.startswith("provider.resource.ResourceError: the server was not started, because its files in ")
    assert inputs["stateDir"] in error
    assert error.endswith("File too large; free disk space or correct the permissions, then run `pulumi up` again")
