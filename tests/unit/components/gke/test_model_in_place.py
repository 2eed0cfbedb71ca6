"""A model in a bucket of others: read there, by one stack's identity, and only as it was copied."""

import json
from pathlib import Path
from typing import Any

import pytest

from components.platforms.gke import GkePlatform, GkePlatformArgs, costs_of
from loadtest.run import remote_model as remote_models
from loadtest.run.remote_model import GRAPH, RemoteFile
from tests.support.saved_models import write_saved_model
from tests.unit.components.gke.gke_program import settings_with
from tests.unit.components.recorder import PROJECT, PROJECT_NUMBER, Recording, record

URI = "gs://of-the-team/models/cats"


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[RemoteFile]:
    """The files below the URI; a test may change them."""
    files: list[RemoteFile] = []
    monkeypatch.setattr(remote_models, "_listing", lambda _: tuple(files))
    return files


@pytest.fixture
def args(tmp_path: Path, listed: list[RemoteFile]) -> GkePlatformArgs:
    saved = write_saved_model(tmp_path / "saved", {"serving_default": {"pixels": ("float32", (None, 4))}})
    graph = (saved / GRAPH).read_bytes()
    for version in ("2", "3"):
        listed += [
            RemoteFile(path=f"{version}/{GRAPH}", size_bytes=len(graph), changed_us=5),
            RemoteFile(path=f"{version}/assets/words", size_bytes=2 * 10**9, changed_us=6),
        ]
    # The preview's copy of it, so that nothing is read.
    folder = remote_models.remote_model(URI).folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / GRAPH).write_bytes(graph)
    return GkePlatformArgs("8cpu-64gb", settings(), tmp_path, "us-central1-a")


def settings() -> Any:
    return settings_with(shape={"machineType": "e2-highmem-8", "nodes": 2}, model={"path": URI})


def made(args: GkePlatformArgs, stack: str = "8cpu-64gb") -> Recording:
    again = GkePlatformArgs(stack, args.settings, args.checkout, args.zone)
    return record(lambda: GkePlatform("gke", again), stack=stack)


def pod_of(recording: Recording) -> dict[str, Any]:
    pod: dict[str, Any] = recording.one("apps/v1:Deployment").inputs["spec"]["template"]["spec"]
    return pod


def wanted_by(recording: Recording) -> dict[str, Any]:
    """The objects that the pod checks for."""
    (wait,) = pod_of(recording)["initContainers"]
    wanted: dict[str, Any] = json.loads(wait["args"][-1])
    return wanted


def test_nothing_is_uploaded_and_servers_read_the_folder_of_the_versions(args: GkePlatformArgs) -> None:
    recording = made(args)
    assert recording.of("bucket:Bucket") == recording.of("bucketObject:BucketObject") == []
    (container,) = pod_of(recording)["containers"]
    assert f"--model_base_path={URI}" in container["args"]
    assert "--model_name=cats" in container["args"]


def test_the_stacks_own_account_may_read_that_bucket_while_the_stack_exists(args: GkePlatformArgs) -> None:
    members = set()
    for stack in ("8cpu-64gb", "of-another"):
        recording = made(args, stack)
        (grant,) = recording.of("bucketIAMMember:BucketIAMMember")
        account = recording.one("core/v1:ServiceAccount", "serving-account").inputs["metadata"]["name"]
        assert account == pod_of(recording)["serviceAccountName"] == f"shapebench-{stack}-model"
        assert (grant.inputs["bucket"], grant.inputs["role"]) == ("of-the-team", "roles/storage.objectViewer")
        assert grant.inputs["member"] == (
            f"principal://iam.googleapis.com/projects/{PROJECT_NUMBER}/locations/global/workloadIdentityPools/"
            f"{PROJECT}.svc.id.goog/subject/ns/shapebench/sa/{account}"
        )
        assert grant.urn in recording.one("apps/v1:Deployment").depends_on
        assert recording.one("gke:Preflight").inputs["modelBucket"] == "of-the-team"
        members.add(grant.inputs["member"])
    assert len(members) == 2, "the stack that is destroyed first takes no grant from the other"


def test_pods_check_that_the_bucket_holds_what_was_copied(args: GkePlatformArgs) -> None:
    before = made(args)
    size = (args.checkout / "saved" / GRAPH).stat().st_size
    assert wanted_by(before) == {f"3/{GRAPH}": [size, 5], "3/assets/words": [2 * 10**9, 6]}
    assert next(iter(wanted_by(before))) == f"3/{GRAPH}"


def test_a_model_that_is_not_stored_again_costs_no_storage(args: GkePlatformArgs) -> None:
    def bucket_usd(args: GkePlatformArgs) -> float | None:
        (item,) = (line_item for line_item in costs_of(args)[0].line_items if line_item.name == "model bucket")
        return item.hourly

    assert bucket_usd(args) == 0
    assert bucket_usd(GkePlatformArgs("8cpu-64gb", settings_with(), args.checkout, args.zone)) == pytest.approx(
        0.1 * 0.02 / 730
    )


def test_a_preview_knows_all_but_who_is_granted(args: GkePlatformArgs) -> None:
    preview = record(lambda: GkePlatform("gke", args), stack="8cpu-64gb", preview=True)
    assert {resource.name for resource in preview.resources} == {resource.name for resource in made(args).resources}
    assert preview.calls == []
