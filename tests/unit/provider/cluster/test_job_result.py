"""How the generator's files are fetched: part by part, checked, and in little memory."""

import hashlib
import json
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from loadtest.generator.pod import sidecar
from provider.cluster.api import ClusterError, PodRequest
from provider.cluster.job_pod import JobPod
from provider.cluster.job_result import fetch_result

STATUS: dict[str, Any] = {"metadata": {"name": "load-1-x", "uid": "u"}, "status": {}}
SIDECAR = {"name": "sidecar", "env": [{"name": "SHAPEBENCH_SIDECAR_TOKEN", "value": "the token"}]}
JOB = {"metadata": {"name": "load-1"}, "spec": {"template": {"spec": {"containers": [SIDECAR]}}}}


class Scripted:
    """A cluster whose one pod is this folder. A part is changed by `damage`, which gets the number of parts so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.asked: list[PodRequest] = []
        self.commands: list[Sequence[str]] = []
        self.damage = lambda _, text: text

    def log(self, *_: object) -> str:
        return ""

    def ask(self, pod: str, container: str, command: Sequence[str], request: PodRequest, retry_s: float) -> str:  # noqa: ARG002
        self.asked.append(request)
        self.commands.append(command)
        text = sidecar.answer(self._folder, *request.path.split("/"))
        return self.damage(len(self.asked), text) if request.path.startswith("read") else text


def fetched(cluster: Scripted, folder: Path) -> None:
    pod = JobPod(cluster, JOB)  # type: ignore[arg-type]
    pod.status = STATUS
    fetch_result(pod, None, folder, retry_s=0)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "pod").mkdir()
    (tmp_path / "here").mkdir()
    return tmp_path / "pod", tmp_path / "here"


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_a_large_file_is_fetched_whole_in_little_memory(folders: tuple[Path, Path]) -> None:
    there, here = folders
    with (there / "locust-0.csv").open("wb") as file:
        for number in range(64):
            file.write(number.to_bytes(2, "big") * 2**20)
    tracemalloc.start()
    fetched(Scripted(there), here)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sha256(here / "locust-0.csv") == sha256(there / "locust-0.csv")
    assert (here / "locust-0.csv").stat().st_size == 128 * 2**20
    assert peak < 32 * 2**20


def test_command_and_request_ask_for_the_same_with_the_token(folders: tuple[Path, Path]) -> None:
    there, here = folders
    (there / "locust-0.csv").write_bytes(b"1,2\n")
    cluster = Scripted(there)
    fetched(cluster, here)
    assert {request.path for request in cluster.asked} == {"list", "read/locust-0.csv/0/4", "clock"}
    for request, command in zip(cluster.asked, cluster.commands, strict=True):
        name, _, *arguments = command[3:]
        assert request.path == "/".join((name, *arguments))
        assert (request.port, dict(request.headers)) == (8502, {"X-Shapebench-Token": "the token"})


def test_what_never_matches_its_digest_leaves_no_file(folders: tuple[Path, Path]) -> None:
    there, here = folders
    (there / "locust-0.csv").write_bytes(b"1,2\n" * 100)
    cluster = Scripted(there)
    cluster.damage = lambda _, text: text[:-8]
    with pytest.raises(ClusterError, match=r"locust-0\.csv was fetched from the load generator's pod 3 times"):
        fetched(cluster, here)
    assert list(here.iterdir()) == []


def test_a_transfer_that_breaks_off_leaves_only_the_files_that_were_complete(folders: tuple[Path, Path]) -> None:
    there, here = folders
    for name in ("locust-0.csv", "locust-1.csv"):
        (there / name).write_bytes(name.encode() * 1000)

    def damage(count: int, text: str) -> str:
        if count > 2:
            raise ClusterError("the cluster's API gave no usable answer for 600 s")
        return text

    cluster = Scripted(there)
    cluster.damage = damage
    with pytest.raises(ClusterError, match="gave no usable answer for 600 s"):
        fetched(cluster, here)
    assert [path.name for path in here.iterdir()] == ["locust-0.csv"]
    assert json.loads(sidecar.listing(there)).keys() == {"locust-0.csv", "locust-1.csv"}
