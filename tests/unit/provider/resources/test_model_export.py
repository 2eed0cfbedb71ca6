"""The export: a copied model is whole, and what its process says is shown, except TensorFlow's own log."""

import sys
from pathlib import Path

import pytest

from loadtest.run.remote_model import _listing, remote_model
from provider.resource import Operation, Props, ResourceError
from provider.resources import model_export
from provider.resources.model_export import ModelExport, _reporter, _run
from serving.export.exporter import tree_digest

# As TensorFlow 2.21 prints them while it is imported.
LOG = [
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795723941.015749   15026 port.cc:153] oneDNN custom operations are on.",
    "E0000 00:00:1795723947.068845   15026 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error",
]
SAID = "exporting ResNet50 with random weights"


def run(status: int) -> tuple[str, list[str]]:
    shown: list[str] = []
    program = f"import sys; print(*{[*LOG, SAID]!r}, sep='\\n', file=sys.stderr); print('done'); sys.exit({status})"
    return _run([sys.executable, "-c", program], Operation(shown.append, shown.append)), shown


def test_the_log_of_tensorflow_is_not_shown():
    assert run(0) == ("done\n", [SAID])


def test_the_log_of_tensorflow_is_in_the_error_of_an_export_that_failed():
    with pytest.raises(ResourceError, match=r"(?s)exit code 1.*oneDNN.*cuInit"):
        run(1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "bucket/cats"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables/data").write_bytes(b"numbers")
    return folder


def inputs_of(source: Path, checkout: Path) -> Props:
    _listing.cache_clear()
    remote = remote_model(source.as_uri())
    return {
        "weights": "auto",
        "cacheDir": str(checkout / ".cache/models"),
        "name": "cats",
        "folder": str(remote.folder(checkout)),
        "stamp": "",
        "remote": remote.model_dump(mode="json"),
    }


def operation(shown: list[str]) -> Operation:
    return Operation(shown.append, shown.append)


def test_a_model_with_a_uri_is_copied_and_served_with_the_digest_of_its_source(source: Path, tmp_path: Path):
    shown: list[str] = []
    made = ModelExport().create(inputs_of(source, tmp_path), operation(shown))
    assert made["digest"] == tree_digest(source, "1/")
    assert tree_digest(Path(made["path"]) / "1", "1/") == made["digest"], "all files are served"
    assert shown[0] == f"copying the model from {source.as_uri()}: 0 of 0 MB"


def test_a_damaged_copy_is_exported_again_and_not_served(source: Path, tmp_path: Path):
    inputs, resource = inputs_of(source, tmp_path), ModelExport()
    state = resource.create(inputs, operation([]))
    assert resource.changed(state, inputs) == []
    (Path(state["path"]) / "1/variables/data").write_bytes(b"numb")
    assert resource.changed(state, inputs) == ["path"]
    assert resource.read(state) is None
    assert resource.update(state, inputs, operation([])) == state
    assert tree_digest(Path(state["path"]) / "1", "1/") == state["digest"]


def test_a_changed_model_is_another_export(source: Path, tmp_path: Path):
    state = ModelExport().create(inputs_of(source, tmp_path), operation([]))
    (source / "variables/data").write_bytes(b"other numbers")
    inputs = inputs_of(source, tmp_path)
    assert ModelExport().changed(state, inputs) == ["folder"]
    assert ModelExport().update(state, inputs, operation([]))["digest"] != state["digest"]


def test_a_model_that_cannot_be_copied_is_one_error(source: Path, tmp_path: Path):
    inputs = inputs_of(source, tmp_path)
    (source / "variables/data").unlink()
    with pytest.raises(ResourceError, match=r"^shapebench:model.path is 'file:.*cats', which cannot be read: "):
        ModelExport().create(inputs, operation([]))


def test_a_copy_ends_when_it_is_cancelled(source: Path, tmp_path: Path):
    cancelled = operation([])
    cancelled.cancelled.set()
    with pytest.raises(ResourceError, match=r"was cancelled; run `pulumi up` again to go on"):
        ModelExport().create(inputs_of(source, tmp_path), cancelled)


def test_progress_is_shown_now_and_then(monkeypatch: pytest.MonkeyPatch):
    shown: list[str] = []
    report = _reporter(operation(shown))
    for at, now_s in enumerate((100.0, 104.9, 105.1)):
        monkeypatch.setattr(model_export.time, "monotonic", lambda now_s=now_s: now_s)
        report(str(at))
    assert shown == ["0", "2"]
