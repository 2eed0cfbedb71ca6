"""A second repository adds the package with `pulumi package add`, and its own program load-tests its own service."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from bench.servers.processes import embedded, free_port
from provider.resource import Operation, ResourceError
from provider.resources.service_load_test import ServiceLoadTest
from stacks.server.protocols import IMAGE, PROTOCOLS
from stacks.server.servers import EMBEDDED
from tools.pins import ROOT

EXAMPLE = ROOT / "examples/own-service"


@dataclass
class Repository:
    """The example, copied to where nothing of this checkout is, with a Pulumi backend of its own."""

    folder: Path

    def run(self, *arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["pulumi", "--non-interactive", *arguments],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    @property
    def _environment(self) -> dict[str, str]:
        # Neither this checkout's Python nor its modules.
        kept = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
        folders = [
            folder for folder in os.environ["PATH"].split(":") if not Path(folder).is_relative_to(ROOT / ".venv")
        ]
        return kept | {
            "PATH": ":".join((str(ROOT / ".tools/bin"), *folders)),
            "PULUMI_BACKEND_URL": f"file://{self.folder}",
            "PULUMI_CONFIG_PASSPHRASE": "engine-tier",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }

    def must(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def up(self, **config: str) -> subprocess.CompletedProcess[str]:
        settings = [part for name, value in config.items() for part in ("--config", f"{name}={value}")]
        return self.run("up", "--yes", "--skip-preview", "--stack", "dev", *settings)

    def must_up(self, **config: str) -> dict[str, Any]:
        done = self.up(**config)
        assert done.returncode == 0, done.stdout + done.stderr
        outputs: dict[str, Any] = json.loads(self.must("stack", "output", "--json", "--stack", "dev"))
        return outputs

    def runs(self) -> list[Manifest]:
        return sorted(ResultsStore(str(self.folder / "results")).scan().manifests, key=lambda run: run.run_id)


@dataclass
class Service:
    """The example's own service, which counts what it is asked to predict."""

    url: str
    asked: int = 0


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    spec = spec_from_file_location("own_service", EXAMPLE / "service.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    running = Service(f"http://127.0.0.1:{free_port()}")

    class Counting(module.Handler):  # type: ignore[misc, name-defined]
        def do_POST(self) -> None:  # noqa: N802 - its name
            with lock:
                running.asked += 1
            super().do_POST()

    lock = threading.Lock()
    server = ThreadingHTTPServer(("127.0.0.1", int(running.url.rpartition(":")[2])), Counting)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield running
    server.shutdown()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    folder = tmp_path_factory.mktemp("second") / "repository"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("venv", "sdks", "results", ".shapebench"))
    repository = Repository(folder)
    repository.must("package", "add", str(ROOT / "package"))
    repository.must("stack", "init", "dev")
    return repository


def test_the_package_is_added_by_one_command(repository: Repository) -> None:
    assert f"shapebench: {ROOT / 'package'}" in (repository.folder / "Pulumi.yaml").read_text()
    assert "sdks/shapebench" in (repository.folder / "requirements.txt").read_text()
    sdk = (repository.folder / "sdks/shapebench/pulumi_shapebench/load_test.py").read_text()
    assert "def service(self) -> pulumi.Output[_builtins.str]:" in sdk


def test_a_preview_measures_nothing(repository: Repository, service: Service) -> None:
    shown = repository.must("preview", "--stack", "dev", "--config", f"url={service.url}")
    assert "shapebench:index:LoadTest scorer create" in shown
    assert service.asked == 0


@pytest.fixture(scope="module")
def measured(repository: Repository, service: Service) -> dict[str, Any]:
    return repository.must_up(url=service.url, rerun="first")


def test_an_update_measures_the_service_and_stores_the_run_in_the_repository(
    repository: Repository, service: Service, measured: dict[str, Any]
) -> None:
    [run] = repository.runs()
    assert run.run_id == measured["runId"]
    assert run.validity.verdict == "valid"
    assert (run.stack, run.platform, run.serving.protocol) == ("scorer", "local", "v2-rest")
    assert (run.serving.server, run.serving.server_version) == ("scorer-service", "1.0")
    assert run.shape.machine_type == "e2-standard-2"
    rows = sum(file.rows for file in run.files or () if file.name != "samples.parquet")
    # The first answer is asked for once, before the test.
    assert service.asked == rows + 1
    assert not list((repository.folder / ".shapebench/runs").iterdir())


def test_nothing_is_measured_again_until_an_input_changes(
    repository: Repository, service: Service, measured: dict[str, Any]
) -> None:
    requests_before = service.asked
    assert repository.must_up(url=service.url, rerun="first")["runId"] == measured["runId"]
    assert service.asked == requests_before
    assert repository.must_up(url=service.url, rerun="second")["runId"] != measured["runId"]
    assert service.asked > requests_before


def test_a_service_that_is_not_there_is_one_clear_error(repository: Repository) -> None:
    before = len(repository.runs())
    nobody = f"http://127.0.0.1:{free_port()}"
    failed = repository.up(url=nobody, rerun="third", startTimeoutS="1")
    assert failed.returncode != 0
    assert f"{nobody}/v2/models/scorer did not answer: [Errno 111] Connection refused" in failed.stdout
    assert "start the service before the load test (dependsOn)" in failed.stdout
    assert "Traceback" not in failed.stdout
    assert len(repository.runs()) == before


def test_a_wrong_input_is_named_in_the_preview(repository: Repository) -> None:
    failed = repository.run("preview", "--stack", "dev", "--config", "url=https://example.org/v2")
    assert failed.returncode != 0
    assert "url is 'https://example.org/v2', which is not of the form that is expected" in failed.stdout
    assert "Traceback" not in failed.stdout


@pytest.fixture(scope="module")
def sums(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A model behind a server that speaks both protocols, over REST and gRPC."""
    module = tf.Module()
    added = tf.function(
        lambda a, b: {"sum": a + tf.cast(b, tf.float32)},
        input_signature=[tf.TensorSpec((None, 3), name="a"), tf.TensorSpec((None, 3), tf.int32, "b")],
    )
    folder = tmp_path_factory.mktemp("models") / "sums"
    tf.saved_model.save(module, str(folder / "1"), signatures={"serving_default": added})
    with embedded(folder, 1) as ports:
        yield {"url": f"http://127.0.0.1:{ports['rest']}", "grpcAddress": f"127.0.0.1:{ports['grpc']}"}


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A model that takes images, behind the same server."""
    module = tf.Module()
    mean = tf.function(
        lambda image: {"mean": tf.reduce_mean(image, (1, 2))},
        input_signature=[tf.TensorSpec((None, 16, 24, 3), name="image")],
    )
    folder = tmp_path_factory.mktemp("models") / "colours"
    tf.saved_model.save(module, str(folder / "1"), signatures={"serving_default": mean})
    with embedded(folder, 1) as ports:
        yield {"url": f"http://127.0.0.1:{ports['rest']}"}


@pytest.mark.parametrize("protocol", [protocol.name for protocol in EMBEDDED.protocols if protocol != IMAGE])
def test_a_service_is_measured_over_each_protocol(
    sums: dict[str, str], protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    address = sums if PROTOCOLS[protocol].over_grpc else {"url": sums["url"]}
    inputs = {
        "service": "sums",
        "protocol": protocol,
        "model": {"name": "sums", "ranges": {"b": [1, 9]}},
        "shape": {"machineType": "c3d-highcpu-4", "nodes": 3},
        "load": {"profile": "smoke", "durationS": 2},
        **address,
    }
    made = ServiceLoadTest().create(ServiceLoadTest().check(inputs), Operation(print, print))
    [run] = ResultsStore("results").scan().manifests
    assert made["headline"]["error_rate"] == 0
    assert (run.run_id, run.validity.verdict, run.shape.nodes) == (made["runId"], "valid", 3)
    assert (
        run.serving.model.requests
        == "serving_default a float32 [1, 3] from 0 to 1; serving_default b int32 [1, 3] from 1 to 9"
    )


def uploads(**changes: Any) -> dict[str, Any]:
    return {
        "service": "colours",
        "protocol": "image",
        "model": {"name": "colours", "ranges": {"image": [0, 255]}},
        "shape": {"machineType": "c3d-highcpu-4", "nodes": 3},
        "load": {"profile": "smoke", "durationS": 2},
        **changes,
    }


def test_a_service_that_takes_images_is_measured_over_uploads(
    colours: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inputs = uploads(**colours)
    made = ServiceLoadTest().create(ServiceLoadTest().check(inputs), Operation(print, print))
    [run] = ResultsStore("results").scan().manifests
    assert made["headline"]["error_rate"] == 0
    assert (run.serving.protocol, run.validity.verdict) == ("image", "valid")
    assert run.serving.model.requests == "serving_default image float32 [1, 16, 24, 3] from 0 to 255"


def test_a_service_that_takes_no_image_is_one_clear_error_over_uploads(
    sums: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inputs = uploads(url=sums["url"], model={"name": "sums"})
    with pytest.raises(ResourceError, match=r"JPEG upload carries one image, but the model has the inputs a, b"):
        ServiceLoadTest().create(ServiceLoadTest().check(inputs), Operation(print, print))
    assert not Path("results").exists()


def test_the_page_about_it_quotes_the_example() -> None:
    assert (EXAMPLE / "__main__.py").read_text() in (ROOT / "docs/own-service.md").read_text()
