"""A results store of all kinds of runs, at fixed times and with fixed ids, and a machine that never changes."""

import json
import shutil
from datetime import timedelta
from itertools import product
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from analysis.results.schema.manifest import Machine, Repeat, Replica, Validity
from analysis.results.schema.other_cpu import OtherCpu
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.storage.store import ResultsStore
from bench.fleets import truth
from bench.fleets.searches import searched_run
from bench.stores.synthetic import STARTED_AT, Server, make_manifest, make_rows, write_run
from shapebench.commands.setup import doctor, init, model
from stacks.load.load_profiles import PROFILES
from tests.support.saved_models import write_saved_model
from tools.pins import ROOT

# The name that every command gives the store: relative, so that no output has a folder of this machine.
STORE = "results"
SHOWN_RUN = "01KAAAAAAA0000000000000002"
SAVED_MODEL = "models/sentences"
_SMOKE = PROFILES["smoke"]
_CPU = {
    "cpu_vendor": "GenuineIntel", "cpu_model": "Intel(R) Xeon(R) CPU @ 2.20GHz", "cpu_flags": ("avx2",),
    "kernel": "6.6.72+",
}  # fmt: skip
_OTHERS = OtherCpu(node="gke-serving-0", cores=0.21, stolen_cores=0.03, machine_cores=8, usable_cores=8)


def _id(number: int) -> str:
    return f"01KAAAAAAA{number:016}"


def _times(number: int) -> dict[str, object]:
    started_at = STARTED_AT + timedelta(hours=number)
    return {"started_at": started_at, "finished_at": started_at + timedelta(seconds=21), "run_id": _id(number)}


def _samples() -> pa.Table:
    used = {"serving-0": 3.25, "serving-1": 3.5, "generator": 0.5}
    return pa.Table.from_pylist(
        [
            {"at": STARTED_AT + timedelta(seconds=second), "subject": subject, "quantity": quantity, "value": value}
            for (subject, cores), second in product(used.items(), range(-2, 20))
            for quantity, value in (("cpu_cores", cores), ("most_cores", 8.0), ("memory_bytes", 1.25e9))
        ],
        schema=SAMPLES_SCHEMA,
    )


def write_store(folder: Path) -> None:
    """Valid, invalid, repeated and older runs of three shapes, and files that do not belong there."""
    store = ResultsStore(str(folder))
    rows = make_rows(_SMOKE, Server(capacity_rps=30, service_ms=20, error_share=0.01))
    write_run(store, make_manifest(_SMOKE, "2cpu-4gb", "e2-custom-2-4096", 8, **_times(1)), rows)
    replicas = tuple(Replica(name=f"serving-{each}", node=f"gke-serving-{each}", **_CPU) for each in range(2))
    manifest = make_manifest(_SMOKE, replicas=replicas, other_cpu=_OTHERS, **_times(2))
    machine = Machine(node="gke-load-0", **_CPU)
    manifest = manifest.model_copy(
        update={"generator": manifest.generator.model_copy(update={"machine": machine})}, deep=True
    )
    write_run(store, manifest, rows, _samples())
    died = Validity(verdict="invalid", reasons=("the server died: replica serving-0 restarted 3 times (OOMKilled)",))
    write_run(store, make_manifest(_SMOKE, validity=died, **_times(3)), rows)
    for index, number in enumerate((4, 5), 1):
        repeat = Repeat(group=_id(4), index=index, of=2)
        manifest = make_manifest(_SMOKE, "4cpu-8gb", "e2-custom-4-8192", 4, repeat=repeat, **_times(number))
        write_run(store, manifest, make_rows(_SMOKE, Server(capacity_rps=10 * index, service_ms=20)))
    searched_run(store, truth.Server(2, truth.steady(80)), 2, 300, seed=4, **_times(6))
    (folder / "runs/notes.txt").write_text("hello")
    store.write_rows("local", _id(7), "w0", rows)


@pytest.fixture(scope="session")
def written_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores") / STORE
    write_store(folder)
    return folder


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A store with a capacity search of each of two shapes, the second with half the vCPUs and one worker."""
    folder = str(tmp_path_factory.mktemp("results"))
    store = ResultsStore(folder)
    searched_run(store, truth.Server(2, truth.steady(80)), 2, 300, seed=4)
    small = {"stack": "4cpu-8gb", "machine_type": "e2-custom-4-8192"}
    searched_run(store, truth.Server(1, truth.lognormal(80, 0.1)), 4, 300, seed=5, **small)
    return folder


@pytest.fixture
def in_folder_with_store(written_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder is a checkout with the store as `results`, a SavedModel, and no stack."""
    shutil.copytree(written_store, tmp_path / STORE)
    write_saved_model(tmp_path / SAVED_MODEL, {"serving_default": {"ids": ("int64", (None, None))}})
    monkeypatch.setattr(model, "ROOT", tmp_path)
    monkeypatch.setattr(init, "ROOT", tmp_path)
    monkeypatch.setattr(init, "stack_file", lambda stack: tmp_path / f"Pulumi.{stack}.yaml")
    monkeypatch.setattr(init, "create_stack", lambda *_: ".state")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def some_machine(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What `shapebench doctor` looks up is as on somebody's machine; returns the checkout to look at."""
    requirements = checkout / "tools/requirements"
    requirements.mkdir()
    for tier in ("run", "dev", "policy"):
        shutil.copy(ROOT / f"tools/requirements/{tier}.txt", requirements)
    stacks = checkout / ".state/.pulumi/stacks/shapebench"
    stacks.mkdir(parents=True)
    (stacks / "local.json").write_text(json.dumps({"checkpoint": {"latest": {"resources": [{}] * 8}}}))
    (stacks / "8cpu-16gb.json").write_text(json.dumps({"checkpoint": {"latest": {"pending_operations": [{}]}}}))
    own = {"gcloud": "/usr/bin/gcloud", "pulumi-language-python": "/opt/shapebench/.tools/bin/pulumi-language-python"}
    embedded = f"file://{checkout}/.state"
    environment = {
        "PATH": "/usr/bin",
        "HOME": "/home/you",
        "PULUMI_BACKEND_URL": embedded,
        "SHAPEBENCH_EMBEDDED_BACKEND": embedded,
    }
    monkeypatch.setattr(doctor, "activated_environment", lambda _: environment)
    monkeypatch.setattr(doctor, "requirements_are_installed", lambda _, tier: tier != "policy")
    monkeypatch.setattr(doctor, "installed_source", lambda _: "build")
    monkeypatch.setattr(doctor.platform, "python_version", lambda: "3.12.9")
    monkeypatch.setattr(doctor.sys, "executable", "/opt/shapebench/.venv/bin/python")
    monkeypatch.setattr(doctor.shutil, "which", lambda name, **_: own.get(name))
    monkeypatch.setattr(doctor.gobuild, "why_go_cannot", lambda _: "go 1.22.4 is older than 1.24.1, which Pulumi needs")
    monkeypatch.setattr(psutil, "net_connections", lambda **_: [])
    return checkout
