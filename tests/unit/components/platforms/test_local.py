"""What the local stack registers, seen by a recording engine: every setting reaches a resource."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pulumi
import pytest
from pulumi.runtime import mocks

from components.platform_args import PlatformArgs
from components.platforms.local import LocalPlatform
from loadtest.generator.payload import Payload
from loadtest.run.payload import payload_of
from loadtest.run.uploads import as_uploads
from stacks.explain import SettingsError
from stacks.files import project_defaults, store_uri
from stacks.server.models import RESNET50
from stacks.settings import Settings, parse_settings

# The program writes the payload there. It is removed when the tests end.
_FOLDER = TemporaryDirectory()
CHECKOUT = Path(_FOLDER.name)
MADE = {
    "ModelExport": {"path": "/models/resnet", "digest": "d1", "usedWeights": "random"},
    "LocalServing": {
        "server": "shapebench-embedded",
        "serverVersion": "0.1.0",
        "restUrl": "http://127.0.0.1:8501",
        "grpcAddress": "127.0.0.1:8500",
        "fingerprint": "f1",
    },
    "LoadTest": {"runId": "r1", "headline": {}},
}

BASE: dict[str, object] = {
    "platform": "local",
    "shape": {"machineType": "e2-custom-2-4096", "nodes": 1},
    "serving": {"protocol": "rest", "interOp": 2},
    "load": {"profile": "smoke"},
}

BATCHING = {"maxBatchSize": 8, "batchTimeoutMicros": 0, "maxEnqueuedBatches": 2, "numBatchThreads": 2}


class Recorder(mocks.Mocks):
    """Answers as the plugin would, and remembers what was asked for."""

    def __init__(self) -> None:
        self.inputs: dict[str, dict] = {}

    def new_resource(self, args):
        kind = args.typ.rsplit(":", 1)[-1]
        if kind != "StoreCheck":  # it is given the settings, so it would hide one that nothing else has
            self.inputs[kind] = args.inputs
        return args.name, args.inputs | MADE.get(kind, {})

    def call(self, _args):
        return {}


def settings_with(**changes: object) -> Settings:
    return parse_settings(project_defaults() | BASE | changes)


def registered(settings: Settings) -> dict[str, dict]:
    recorder = Recorder()

    async def run() -> None:
        mocks.set_mocks(recorder, project="shapebench", stack="local", preview=False)
        try:
            LocalPlatform("local", PlatformArgs("local", settings, CHECKOUT))
        finally:
            # Also where it is refused: what is left over, the next program would wait for, and for ever.
            await pulumi.runtime.stack.wait_for_rpcs()

    asyncio.run(run())
    return recorder.inputs


@pytest.fixture(scope="module")
def base():
    return registered(settings_with())


def test_the_servers_counters_are_read_from_its_rest_port_whatever_the_protocol(base):
    over_grpc = registered(settings_with(serving={"protocol": "grpc", "interOp": 2}))
    assert over_grpc["LoadTest"]["baseUrl"] == "grpc://127.0.0.1:8500"
    assert over_grpc["LoadTest"]["restUrl"] == base["LoadTest"]["restUrl"] == "http://127.0.0.1:8501"


def test_the_server_gets_the_exported_model_and_explicit_threads(base):
    serving = base["LocalServing"]
    assert serving["modelPath"] == "/models/resnet"
    assert serving["modelDigest"] == "d1"
    assert (serving["intraOp"], serving["interOp"]) == (2, 2)
    assert (serving["grpcThreads"], serving["restThreads"]) == (1024, 8)


def test_the_load_test_records_the_server_that_runs(base):
    test = base["LoadTest"]
    assert test["baseUrl"] == "http://127.0.0.1:8501"
    assert test["fingerprint"] == "f1"
    assert test["serving"]["server"] == "shapebench-embedded"
    assert test["serving"]["model"] == {"name": "resnet", "digest": "d1", "weights": "random", "instances": 1}


def test_over_grpc_the_load_test_uses_the_grpc_port_and_records_the_protocol(base):
    test = registered(settings_with(serving={"protocol": "grpc", "interOp": 2}))["LoadTest"]
    assert test["baseUrl"] == "grpc://127.0.0.1:8500"
    assert test["serving"]["protocol"] == "grpc"


def test_results_and_state_stay_in_the_checkout(base):
    assert base["LoadTest"]["results"] == f"{CHECKOUT}/results"
    assert base["ModelExport"]["cacheDir"].startswith(f"{CHECKOUT}/")
    assert base["ModelExport"]["stamp"] == ""
    assert base["LocalServing"]["stateDir"].startswith(f"{CHECKOUT}/")
    assert Path(base["LoadTest"]["payload"]).parent == CHECKOUT / ".cache/payloads"


def test_a_destroy_cleans_up_the_folder_of_the_server(base):
    assert base["ServerCleanup"]["stateDir"] == base["LocalServing"]["stateDir"]


def test_a_results_uri_is_not_changed():
    assert store_uri("gs://bucket/prefix", Path("/checkout")) == "gs://bucket/prefix"
    assert store_uri("/elsewhere", Path("/checkout")) == "/elsewhere"


def test_more_generator_processes_than_cores_are_refused(monkeypatch):
    monkeypatch.setattr("components.platforms.local.os.cpu_count", lambda: 2)
    registered(settings_with(load={"profile": "smoke", "processes": 2}))
    with pytest.raises(
        SettingsError, match=r"load\.processes is 3, more than the cores of this machine \(2\).*give 2 at most"
    ):
        registered(settings_with(load={"profile": "smoke", "processes": 3}))


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": {"machineType": "e2-custom-2-8192", "nodes": 1}},
        {"serving": {"protocol": "grpc", "interOp": 2}},
        {"serving": {"protocol": "rest", "interOp": 4}},
        {"serving": {"protocol": "rest", "interOp": 2, "intraOp": 1}},
        {"serving": {"protocol": "rest", "interOp": 2, "batching": BATCHING}},
        {"load": {"profile": "laptop"}},
        {"load": {"profile": "smoke", "waitS": 0.5}},
        {"load": {"profile": "smoke", "repeats": 3}},
        {"load": {"profile": "smoke", "freshDeployment": True}},
        {"load": {"profile": "smoke", "processes": 2}},
        {"model": {"weights": "random"}},
        {"local": {"server": "embedded", "restPort": 8501, "grpcPort": 8500, "startTimeoutS": 180}},
        {"local": {"server": "auto", "restPort": 8511, "grpcPort": 8500, "startTimeoutS": 180}},
        {"local": {"server": "auto", "restPort": 8501, "grpcPort": 8510, "startTimeoutS": 180}},
        {"local": {"server": "auto", "restPort": 8501, "grpcPort": 8500, "startTimeoutS": 60}},
        {"results": "elsewhere"},
        {"region": "europe-west4"},
        {"rerun": "again"},
    ],
)
def test_every_setting_reaches_a_resource(base, changes):
    assert registered(settings_with(**changes)) != base


def test_the_files_of_uploads_are_made_before_the_load_test():
    inputs = registered(settings_with(serving={"protocol": "image", "interOp": 2}))["LoadTest"]
    payload = Payload.from_bytes(Path(inputs["payload"]).read_bytes())
    assert payload == as_uploads(payload_of(RESNET50))


def test_requests_that_are_no_images_are_one_error_before_a_resource_is_declared_over_uploads(tmp_path):
    np.save(tmp_path / "bright.npy", np.full((1, 224, 224, 3), 300))
    changes = {"payload": {"path": "bright.npy"}, "serving": {"protocol": "image", "interOp": 2}}
    with pytest.raises(SettingsError, match=r"JPEG upload carries values from 0 to 255, but .* are from 300 to 300"):
        LocalPlatform("local", PlatformArgs("local", settings_with(**changes), tmp_path))


def test_requests_that_cannot_be_read_are_one_error_before_a_resource_is_declared():
    args = PlatformArgs("local", settings_with(payload={"path": "requests.jsonl"}), CHECKOUT)
    with pytest.raises(SettingsError, match=r"payload\.path is 'requests\.jsonl', but .* cannot be read"):
        LocalPlatform("local", args)  # without an engine, a resource would be another error
