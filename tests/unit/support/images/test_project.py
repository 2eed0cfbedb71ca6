import sys
import tarfile
from pathlib import Path

import pytest

from serving.export.exporter import Exported
from stacks.server.images import exact_image
from stacks.server.servers import EMBEDDED, server_in
from tests.support.images import packages, project
from tests.support.images.layer import Layer
from tests.support.images.project import ProjectImages


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ProjectImages:
    return ProjectImages(tmp_path_factory.mktemp("images"))


@pytest.fixture
def model(tmp_path: Path) -> Exported:
    folder = tmp_path / "resnet"
    (folder / "1").mkdir(parents=True)
    (folder / "1/saved_model.pb").write_bytes(b"graph")
    return Exported(name="resnet", path=str(folder), digest="d" * 64, weights="random")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pack a server with one package, because TensorFlow takes half a minute."""
    monkeypatch.setattr(project, "_SERVER", ("protobuf",))


def names(layers: list[Layer]) -> set[str]:
    found = set()
    for layer in layers:
        with tarfile.open(layer.path) as tar:
            found |= set(tar.getnames())
    return found


def test_each_image_has_a_name_of_its_own_and_an_exact_version(images: ProjectImages, model: Exported, small: None):
    (server, _), generator = images.servers(model), images.generator()
    assert server_in(exact_image(server.name))[0] == EMBEDDED.name
    assert exact_image(generator.name).startswith("localhost/shapebench-generator:")
    assert (server.user, generator.user) == (65532, 1000)


def test_the_server_image_holds_its_modules_and_all_models(images: ProjectImages, model: Exported, small: None):
    found = names(images.servers(model, model | {"name": "text", "digest": "e" * 64})[0].layers)
    assert {f"models/{'d' * 64}/resnet/1/saved_model.pb", f"models/{'e' * 64}/text/1/saved_model.pb"} <= found
    site = f"opt/python/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    stacks = f"{site}/stacks"
    assert {f"{site}/serving/server.py", f"{stacks}/server/serving_variant.py", f"{stacks}/version.py"} <= found


def test_both_images_share_the_base_layer(images: ProjectImages, model: Exported, small: None):
    assert images.servers(model)[0].layers[0] == images.generator().layers[0]


def test_packages_are_packed_again_only_when_they_changed(images: ProjectImages, monkeypatch: pytest.MonkeyPatch):
    first = images.generator().layers[1]
    written = first.path.stat().st_mtime_ns
    assert images.generator().layers[1] == first
    assert first.path.stat().st_mtime_ns == written
    monkeypatch.setattr(packages, "record_of", lambda one: f"another {one.version}")
    assert images.generator().layers[1].digest == first.digest
    assert first.path.stat().st_mtime_ns > written


def test_libraries_of_the_base_layer_are_not_packed_again(images: ProjectImages):
    below, above = (names([layer]) for layer in images.generator().layers[:2])
    assert not {Path(name).name for name in below if name.startswith("lib/")} & {
        Path(name).name for name in above if name.startswith("lib/")
    }
