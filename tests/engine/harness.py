"""The real Pulumi command line on a stack of its own, and what it leaves running on this machine."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from loadtest.generator.plan import PLAN_VARIABLE
from tests.support.kubernetes.binaries import bin_folder

CHECKOUT = Path(__file__).parents[2]
WORK_DIR = CHECKOUT / ".state/runs"
# A second of ramp and two of hold: enough for every assertion, and there are some fifty of them.
SMOKE = {"profile": "smoke", "durationS": 3}
# The commands that read a stack's configuration, and so take a file in another place.
_READ_CONFIG = {"up", "preview", "refresh", "destroy"}
LONG = {"profile": "smoke", "durationS": 120}


@dataclass
class Stack:
    """One Pulumi stack in a backend of its own; `config` is what its file says.

    `providers_config` are keys of other packages in full, `gcp:project`; `variables` and `programs` (a folder that
    comes first on PATH) are what its commands find in their environment.
    """

    name: str
    home: Path
    config: dict[str, Any] = field(default_factory=dict)
    providers_config: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)
    programs: list[Path] = field(default_factory=list)
    project: Path = CHECKOUT

    @property
    def results(self) -> Path:
        return self.home / "results"

    @property
    def config_file(self) -> Path:
        return self.home / "Pulumi.stack.yaml"

    @property
    def environment(self) -> dict[str, str]:
        folders = [*self.programs, CHECKOUT / ".tools/bin", CHECKOUT / ".venv/bin", os.environ["PATH"]]
        return os.environ | {
            "PATH": ":".join(map(str, folders)),
            "PULUMI_BACKEND_URL": f"file://{self.home}",
            "PULUMI_CONFIG_PASSPHRASE": "engine-tier",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            # Nothing that is tested here needs a plugin that is not there; each command would look for them.
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            **self.variables,
        }

    def _command(self, *arguments: str) -> list[str]:
        # The salt of the passphrase stays; the configuration is written anew.
        kept = yaml.safe_load(self.config_file.read_text()) if self.config_file.exists() else {}
        kept["config"] = self.providers_config | {f"shapebench:{key}": value for key, value in self.config.items()}
        self.config_file.write_text(yaml.safe_dump(kept))
        with_config = ["--config-file", str(self.config_file)] if arguments[0] in _READ_CONFIG else []
        return ["pulumi", "--non-interactive", *arguments, "--stack", self.name, *with_config]

    def init(self) -> None:
        """Make the stack, without the salt of its passphrase being written into the checkout."""
        project = yaml.safe_load((self.project / "Pulumi.yaml").read_text())
        elsewhere = self.home / "init"
        elsewhere.mkdir(parents=True)
        (elsewhere / "Pulumi.yaml").write_text(yaml.safe_dump({"name": project["name"], "runtime": "yaml"}))
        command = ["pulumi", "--non-interactive", "stack", "init", self.name]
        subprocess.run(command, cwd=elsewhere, env=self.environment, capture_output=True, check=True)
        (elsewhere / f"Pulumi.{self.name}.yaml").replace(self.config_file)

    def run(self, *arguments: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(*arguments),
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command(*arguments),
            cwd=self.project,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def up(self) -> subprocess.CompletedProcess[str]:
        return self.run("up", "--yes", "--skip-preview")

    def must(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def must_up(self) -> str:
        return self.must("up", "--yes", "--skip-preview")

    def outputs(self) -> dict[str, Any]:
        return json.loads(self.must("stack", "output", "--json", "--show-secrets=false"))

    def runs(self) -> list[Manifest]:
        manifests = ResultsStore(str(self.results)).scan().manifests if self.results.exists() else ()
        return sorted(manifests, key=lambda run: run.run_id)

    def resources(self) -> list[dict[str, Any]]:
        exported = json.loads(self.must("stack", "export"))
        return exported["deployment"].get("resources") or []


@contextmanager
def stack_in_cluster(
    name: str, folder: Path, kubeconfig: Path, kubernetes: dict[str, Any], load: dict[str, Any], nodes: int = 1
) -> Iterator[Stack]:
    """A stack in an existing cluster, which is destroyed at the end; `kubernetes` are the settings of that platform."""
    stack = Stack(name, folder)
    stack.programs = [bin_folder(CHECKOUT)]
    stack.variables = {"KUBECONFIG": str(kubeconfig)}
    stack.config = {
        "platform": "kubernetes",
        "shape": {"machineType": "e2-custom-2-4096", "nodes": nodes},
        "serving": {"protocol": "rest", "interOp": 2},
        "load": load,
        "model": {"weights": "random"},
        "results": str(stack.results),
        "kubernetes": kubernetes,
    }
    stack.init()
    yield stack
    stack.run("cancel", "--yes")
    stack.run("destroy", "--yes", "--skip-preview")


def update_without_access(stack: Stack) -> subprocess.CompletedProcess[str]:
    """An update whose server may not read its model: it fails within four minutes, by its init container."""
    began = time.monotonic()
    failed = stack.up()
    took_s = time.monotonic() - began
    print(f"up without access failed after {took_s:.0f} s")
    assert failed.returncode != 0
    assert took_s < 240
    assert "its container model-access ended with exit code 1" in failed.stdout
    return failed


def generators(stack: Stack) -> list[psutil.Process]:
    """Every Locust process that sends this stack's server load."""
    return generators_for(stack.config["local"]["restPort"])


def generators_for(port: int) -> list[psutil.Process]:
    """Every Locust process that sends load to `port` of this machine."""
    return [process for process in psutil.process_iter() if f"127.0.0.1:{port}" in _plan_of(process)]


def _plan_of(process: psutil.Process) -> str:
    try:
        return Path(process.environ()[PLAN_VARIABLE]).read_text()
    except (psutil.Error, KeyError, OSError):
        return ""


def servers_on(port: int) -> list[psutil.Process]:
    """Server processes that were told to serve REST on `port`."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if f"--rest_api_port={port}" in (process.info["cmdline"] or [])
    ]


def answered_ok(port: int) -> int:
    """How many predictions the server says it answered, from its metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/monitoring/prometheus/metrics", timeout=30) as page:
        lines = page.read().decode().splitlines()
    counts = [line for line in lines if line.startswith(":tensorflow:serving:request_count{") and 'status="OK"' in line]
    return round(sum(float(line.rsplit(" ", 1)[1]) for line in counts))


@contextmanager
def started_cluster(module: str, folder: Path, host: str = r"[\d.]+") -> Iterator["subprocess.Popen[str]"]:
    """A test cluster that runs as a program of its own, once it has said how to reach it, on this host (a pattern)."""
    command = [sys.executable, "-m", module, str(folder)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert re.search(rf"ready after \d+\.\d s at https://{host}:\d+$", process.stdout.readline())
            assert process.stdout.readline().startswith("export KUBECONFIG=")
            yield process
        finally:
            process.kill()


def eventually(condition: Callable[[], object], what: str, within_s: float = 60) -> Any:
    deadline = time.monotonic() + within_s
    while True:
        if value := condition():
            return value
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.1)
