"""A model with a URI is copied whole or not at all, once, and only as much of it as is needed."""

import fcntl
import io
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyarrow.fs import LocalFileSystem

from analysis.results.storage import file_system
from loadtest.run import remote_model as remote_models
from loadtest.run.remote_model import GRAPH, RemoteFile, RemoteModel, fetch, remote_model
from loadtest.run.saved_model import model_of, version_folder
from stacks.explain import SettingsError
from stacks.server.models import ModelSettings
from tests.support.saved_models import write_saved_model

PIXELS = {"serving_default": {"pixels": ("float32", (None, 4))}}
# Beyond the limit of a bucket's first answer, for a machine that is busy.
WITHIN_S = 20


@pytest.fixture(autouse=True)
def _each_test_is_a_process() -> Iterator[None]:
    remote_models._listing.cache_clear()
    yield
    remote_models._listing.cache_clear()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return written(tmp_path / "bucket/cats")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return tmp_path / "checkout"


def written(folder: Path) -> Path:
    write_saved_model(folder, PIXELS)
    for name, content in (("assets/words.txt", b"words"), ("variables/data", b"numbers"), ("variables/index", b"0")):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def listed(source: Path) -> RemoteModel:
    """As another process lists it."""
    remote_models._listing.cache_clear()
    return remote_model(source.as_uri())


def fetched(source: Path, checkout: Path) -> Path:
    model = listed(source)
    folder = model.folder(checkout)
    fetch(model, folder, lambda _: None)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def error_of(uri: str, checkout: Path) -> str:
    with pytest.raises(SettingsError) as raised:
        model_of(ModelSettings(path=uri), checkout)
    return str(raised.value)


def later(path: Path) -> None:
    os.utime(path, (time.time() + 10, time.time() + 10))


def test_a_copy_has_the_same_files_as_the_folder(source: Path, checkout: Path) -> None:
    assert contents(fetched(source, checkout)) == contents(source)


def test_it_is_the_same_model_as_in_a_folder_of_this_machine(source: Path, checkout: Path) -> None:
    assert model_of(ModelSettings(path=source.as_uri()), checkout) == model_of(
        ModelSettings(path=str(source)), checkout
    )
    assert model_of(ModelSettings(path=f"{source.as_uri()}/"), checkout).name == "cats"


def test_only_the_highest_version_is_copied(tmp_path: Path, checkout: Path) -> None:
    for version in ("2", "10", "9"):
        written(tmp_path / "bucket/dogs" / version)
    (tmp_path / "bucket/dogs/10/variables/data").write_bytes(b"of ten")
    model = listed(tmp_path / "bucket/dogs")
    assert (model.name, model.version) == ("dogs", "10")
    assert contents(fetched(tmp_path / "bucket/dogs", checkout)) == contents(tmp_path / "bucket/dogs/10")


def test_a_preview_lists_once_and_copies_the_graph_alone(source: Path, checkout: Path) -> None:
    model_of(ModelSettings(path=source.as_uri()), checkout)
    folder = version_folder(source.as_uri(), checkout)
    assert list(contents(folder)) == [GRAPH]
    assert remote_models._listing.cache_info().misses == 1


def test_what_is_there_is_not_copied_again(source: Path, checkout: Path) -> None:
    folder = version_folder(source.as_uri(), checkout)
    before = (folder / GRAPH).stat()
    fetched(source, checkout)
    fetched(source, checkout)
    assert (folder / GRAPH).stat() == before


def test_an_interrupted_copy_goes_on_where_it_stopped(
    source: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_models, "_CHUNK_BYTES", 4)
    model, progress = listed(source), []
    folder = model.folder(checkout)

    def interrupt(line: str) -> None:
        progress.append(line)
        if (folder / "assets/words.txt").exists():  # in the middle of variables/data
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(model, folder, interrupt)
    assert set(contents(folder)) == {GRAPH, "assets/words.txt"}
    assert [file.path for file in model.missing_in(folder)] == ["variables/data", "variables/index"]
    before = {name: (folder / name).stat() for name in contents(folder)}
    fetch(model, folder, progress.append)
    assert contents(folder) == contents(source)
    assert {name: (folder / name).stat() for name in before} == before, "they were not copied again"


def test_progress_counts_what_was_there_before(source: Path, checkout: Path) -> None:
    (source / "variables/data").write_bytes(bytes(9_000_000))
    (source / "variables/index").write_bytes(bytes(1_000_000))
    model, progress = listed(source), []
    folder = model.folder(checkout)
    fetch(model, folder, lambda _: None, only="variables/index")
    fetch(model, folder, progress.append)
    assert [line.removeprefix(f"copying the model from {source.as_uri()}: ") for line in progress] == [
        "1 of 10 MB",  # the graph
        "1 of 10 MB",  # words.txt
        "5 of 10 MB",
        "9 of 10 MB",
        "10 of 10 MB",
    ]


def test_a_truncated_copy_is_missing_and_copied_again(source: Path, checkout: Path) -> None:
    folder = fetched(source, checkout)
    (folder / "variables/data").write_bytes(b"numb")
    assert [file.path for file in listed(source).missing_in(folder)] == ["variables/data"]
    assert contents(fetched(source, checkout)) == contents(source)


def test_a_changed_file_is_another_copy(source: Path, checkout: Path) -> None:
    before = fetched(source, checkout)
    (source / "variables/data").write_bytes(b"NUMBERS")
    later(source / "variables/data")
    after = fetched(source, checkout)
    assert after != before
    assert (after / "variables/data").read_bytes() == b"NUMBERS"
    assert (before / "variables/data").read_bytes() == b"numbers"


def test_a_file_that_changes_after_the_listing_is_not_used(source: Path, checkout: Path) -> None:
    model = listed(source)
    (source / "variables/data").write_bytes(b"NUMBERS")
    later(source / "variables/data")
    folder = model.folder(checkout)
    with pytest.raises(SettingsError, match=r"model.path is 'file:.*', but its variables/data changed since it was"):
        fetch(model, folder, lambda _: None)
    assert not (folder / "variables/data").exists()


class Stream(io.BytesIO):
    """What Arrow reads an object with."""

    def __init__(self, content: bytes, metadata: dict[bytes, bytes]) -> None:
        super().__init__(content)
        self.metadata = lambda: metadata


@pytest.mark.parametrize(
    ("content", "metadata"),
    [(b"numb", {}), (b"nUmbers", {b"md5Hash": b"sbFIqfGo7dzQFPJlKr+1rg=="})],
    ids=["truncated", "another digest"],
)
def test_what_arrives_damaged_is_not_used(
    source: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, metadata: dict[bytes, bytes]
) -> None:
    class Damaging:
        get_file_info = staticmethod(LocalFileSystem().get_file_info)

        def open_input_stream(self, path: str, compression: None) -> Stream:  # noqa: ARG002 - Arrow's name
            return Stream(content, metadata) if path.endswith("data") else Stream(Path(path).read_bytes(), {})

    model = listed(source)
    folder = model.folder(checkout)
    monkeypatch.setattr(file_system, "open_uri", lambda _: (Damaging(), str(source)))
    with pytest.raises(
        SettingsError, match=r"its variables/data arrived damaged \(\d of 7 bytes, MD5 \w+\), so nothing"
    ):
        fetch(model, folder, lambda _: None)
    assert set(contents(folder)) == {GRAPH, "assets/words.txt"}


def test_a_copy_waits_for_another_process_that_makes_it(source: Path, checkout: Path) -> None:
    model = listed(source)
    folder = model.folder(checkout)
    folder.mkdir(parents=True)
    said: list[str] = []
    with folder.with_name(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        def release(line: str) -> None:
            said.append(line)
            for name, content in contents(source).items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(content)
            fcntl.flock(lock, fcntl.LOCK_UN)

        fetch(model, folder, release)
    assert said == ["waiting for another process that copies the model"]


def test_a_cache_that_cannot_be_written_is_one_error(source: Path, checkout: Path) -> None:
    checkout.write_text("a file")
    assert "cats cannot be written: Not a directory; make room, or correct" in error_of(source.as_uri(), checkout)


def test_a_name_that_leaves_the_folder_is_not_copied(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An object's name may have any part."""
    outside = source.parent / "outside.txt"
    outside.touch()
    infos = [LocalFileSystem().get_file_info(str(path)) for path in (source / GRAPH, f"{source}/../outside.txt")]

    class Hostile:
        get_file_info = staticmethod(lambda _: infos)

    monkeypatch.setattr(file_system, "open_uri", lambda _: (Hostile(), str(source)))
    assert [file.path for file in listed(source).files] == [GRAPH]


def of_version(uri: str, version: str) -> RemoteModel:
    files = [RemoteFile(path=path, size_bytes=7, changed_us=8) for path in ("a/saved_model.pb", "b", GRAPH)]
    return RemoteModel(uri=uri, version=version, files=tuple(files))


@pytest.mark.parametrize("uri", ["gs://of-the-team/cats", "gs://of-the-team/models/cats/"])
def test_version_folders_of_google_cloud_storage_can_be_read_in_place(uri: str) -> None:
    model = of_version(uri, "0012")
    assert model.in_place == uri.rstrip("/")
    assert list(model.objects.items()) == [(f"0012/{path}", (7, 8)) for path in (GRAPH, "a/saved_model.pb", "b")], (
        "saved_model.pb comes first"
    )


@pytest.mark.parametrize(
    ("uri", "version"),
    [
        ("gs://of-the-team/models/cats", ""),  # a server looks for version folders
        ("gs://of-the-team", "3"),
        ("gs://anonymous@of-the-team/cats", "3"),
        ("gs://of-the-team/cats?endpoint_override=localhost", "3"),
        ("gs://of-the-team/my%20cats", "3"),
        ("s3://of-the-team/cats", "3"),
        ("file:///models/cats", "3"),
    ],
)
def test_what_a_server_on_google_cloud_cannot_read_is_uploaded(uri: str, version: str) -> None:
    assert of_version(uri, version).in_place is None


def test_a_folder_without_a_model_is_one_error(tmp_path: Path, checkout: Path) -> None:
    missing = (tmp_path / "none").as_uri()
    assert error_of(missing, checkout).startswith(f"shapebench:model.path is '{missing}', which cannot be read: ")
    assert error_of(missing, checkout).endswith("give a folder that exists, and credentials that may read it")
    (tmp_path / "empty/one/two").mkdir(parents=True)
    (tmp_path / "empty/one" / GRAPH).touch()
    said = error_of((tmp_path / "empty").as_uri(), checkout)
    assert "which has neither saved_model.pb nor version folders with it, so there is nothing to serve" in said


def test_a_part_of_the_variables_that_is_not_in_the_bucket_is_missed_by_the_preview(
    source: Path, checkout: Path
) -> None:
    (source / "variables/data").rename(source / "variables/variables.data-00000-of-00002")
    assert "cats has no file variables.data-00001-of-00002 among" in error_of(source.as_uri(), checkout)


def test_a_scheme_that_no_file_system_has_is_one_error(checkout: Path) -> None:
    assert "cannot be read: Unrecognized filesystem type in URI: ftp://" in error_of(
        "ftp://example.com/model", checkout
    )


def test_a_bucket_without_credentials_is_refused_within_seconds(
    tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as server:
        nowhere = f"127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setenv("GCE_METADATA_ROOT", nowhere)
    began_s = time.monotonic()
    said = error_of("gs://bucket-of-a-model/cats", checkout)
    assert time.monotonic() - began_s < WITHIN_S
    assert said.startswith("shapebench:model.path is 'gs://bucket-of-a-model/cats', which cannot be read: there are no")
    assert said.endswith("; log in with `gcloud auth application-default login`")
