"""What the export of a model is given: a folder of this machine, or what is copied from a URI and where to."""

from pathlib import Path

import pytest

from components.platform_args import PlatformArgs
from components.serving.model_export import export_args
from loadtest.run.remote_model import RemoteModel, remote_model
from stacks.files import project_defaults
from stacks.settings import parse_settings
from tests.support.saved_models import write_saved_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_saved_model(tmp_path / "bucket/cats", {"serving_default": {"pixels": ("float32", (None, 4))}})


def platform(path: str, checkout: Path) -> PlatformArgs:
    stack = {
        "platform": "local",
        "shape": {"machineType": "e2-custom-2-4096", "nodes": 1},
        "serving": {"protocol": "rest", "interOp": 2},
        "load": {"profile": "smoke"},
        "model": {"path": path},
    }
    return PlatformArgs("local", parse_settings(project_defaults() | stack), checkout)


def test_a_folder_of_this_machine_is_exported_where_it_is(model: Path, tmp_path: Path):
    args = export_args(platform(str(model), tmp_path))
    assert (args.folder, args.remote) == (str(model), None)
    assert args.stamp


def test_of_a_uri_the_copy_is_exported_and_the_listing_says_what_is_copied(model: Path, tmp_path: Path):
    before = export_args(platform(model.as_uri(), tmp_path))
    assert before.remote is not None
    remote = RemoteModel.model_validate(before.remote)
    assert remote == remote_model(model.as_uri())
    assert before.folder == str(remote.folder(tmp_path))
    (Path(before.folder) / "copied later").touch()
    assert export_args(platform(model.as_uri(), tmp_path)) == before, "no change for the next preview"
