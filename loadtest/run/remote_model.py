"""Copies a SavedModel from a bucket, or from any other folder with a URI, into the cache of the checkout."""

import fcntl
import hashlib
import posixpath
import re
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field

from stacks.explain import SettingsError
from stacks.frozen import Frozen

# pyarrow takes 0.2 s to import, and most models are in a folder of this machine.
# ruff: noqa: PLC0415

GRAPH = "saved_model.pb"
SETTING = "shapebench:model.path"
_CACHE = ".cache/models/remote"
_CHUNK_BYTES = 2**22
# A folder of Google Cloud Storage as a server takes it, without options for this machine's client.
_PLAIN = re.compile(r"gs://[^/@?#%]+/[^?#%]+")
_LOCK_POLL_S = 0.2
_AGAIN = "nothing of it was used; run the command again, which goes on with this file"
_FIX_BUCKET = (
    "give a folder that exists, and grant the role Storage Object Viewer on its bucket to the account of your"
    " Application Default Credentials (`gcloud auth application-default login`)"
)
_FIX_OTHER = "give a folder that exists, and credentials that may read it"

Report = Callable[[str], None]
"""Is called with the progress of a copy, several times a second; an exception of it ends the copy."""


class RemoteFile(Frozen):
    """A file as it was listed. `path` is below the folder that is served."""

    path: str
    size_bytes: int
    changed_us: int
    """The time of its last change, since 1970. Pulumi's numbers have no room for nanoseconds.

    Of Google Cloud Storage it is `timeCreated` (ToFileInfo in gcsfs.cc of apache/arrow): an object never changes.
    """


class RemoteModel(Frozen):
    """The files of the version that is served, as they were listed."""

    uri: str
    version: str
    """The folder of that version, below the URI; empty where the files are in the folder that the URI names."""
    files: Annotated[tuple[RemoteFile, ...], Field(strict=False)]

    @property
    def name(self) -> str:
        """That of the folder that the URI names."""
        parts = urlsplit(self.uri)
        return PurePosixPath(parts.netloc.rpartition("@")[2] + parts.path).name

    @property
    def in_place(self) -> str | None:
        """The URI that servers on Google Cloud read it from; None where they cannot: they look for version folders."""
        return self.uri.rstrip("/") if self.version and _PLAIN.fullmatch(self.uri) else None

    @property
    def objects(self) -> dict[str, tuple[int, int]]:
        """Size and time of each file, by its path below the URI; saved_model.pb first."""
        ordered = sorted(self.files, key=lambda file: (file.path != GRAPH, file.path))
        return {f"{self.version}/{file.path}": (file.size_bytes, file.changed_us) for file in ordered}

    def folder(self, checkout: Path) -> Path:
        """Where its copy is. Other files, or other times of their changes, are in another folder."""
        key = hashlib.sha256(repr(self).encode()).hexdigest()[:16]
        return checkout / _CACHE / key / (self.version or self.name)

    def missing_in(self, folder: Path) -> list[RemoteFile]:
        """The files that the copy in a folder lacks, or has in another size; saved_model.pb first."""
        missing = [file for file in self.files if not _has(folder / file.path, file.size_bytes)]
        return sorted(missing, key=lambda file: (file.path != GRAPH, file.path))


def is_uri(path: str) -> bool:
    """Whether a model is copied into the cache before it is served."""
    return "://" in path


def remote_model(uri: str, setting: str = SETTING) -> RemoteModel:
    """The model at a URI: its own files, or those of its highest version; raises SettingsError where there is none.

    It is listed once for each process, so all of a preview sees the same files. `setting` is where the user wrote it.
    """
    with _explained(uri, setting):
        listed = _listing(uri)
    paths = [PurePosixPath(file.path) for file in listed]
    folders = [path.parent.name for path in paths if path.name == GRAPH and len(path.parts) <= 2]
    versions = [name for name in folders if name.isdecimal()]
    if "" not in folders and not versions:
        raise SettingsError(
            f"{setting} is {uri!r}, which has neither {GRAPH} nor version folders with it, so there is nothing to"
            " serve; give the folder that tf.saved_model.save wrote"
        )
    version = "" if "" in folders else max(versions, key=int)
    prefix = f"{version}/" if version else ""
    files = [
        file.model_copy(update={"path": file.path.removeprefix(prefix)})
        for file in listed
        if file.path.startswith(prefix)
    ]
    return RemoteModel(uri=uri, version=version, files=tuple(files))


def fetch(model: RemoteModel, folder: Path, report: Report, *, only: str | None = None, setting: str = SETTING) -> None:
    """Copy the files that `folder` lacks, all or `only` one; raises SettingsError where a file cannot be copied.

    A file gets its name once it is whole, so a copy that was interrupted goes on with the file where it stopped.
    """

    def missing() -> list[RemoteFile]:
        return [file for file in model.missing_in(folder) if only in {None, file.path}]

    if not missing():
        return
    total_bytes = sum(file.size_bytes for file in model.files)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_name(".lock"), lambda: report("waiting for another process that copies the model")):
            # That process may have copied some, or all.
            left_bytes = sum(file.size_bytes for file in missing())
            for file in missing():
                for size_bytes in _copy(model, file, folder, setting):
                    left_bytes -= size_bytes
                    done = f"{(total_bytes - left_bytes) / 1e6:,.0f} of {total_bytes / 1e6:,.0f} MB"
                    report(f"copying the model from {model.uri}: {done}")
    except OSError as error:
        raise SettingsError(
            f"{setting} is {model.uri!r}, but its copy in {folder} cannot be written: {error.strerror}; make room, or"
            " correct the permissions, then run the command again"
        ) from error


def _copy(model: RemoteModel, file: RemoteFile, folder: Path, setting: str) -> Iterator[int]:
    """Copy one file under another name, and give it its own if it is whole; yields the bytes of each piece."""
    from analysis.results.storage.file_system import open_uri

    # Only the holder of the lock writes it. It is outside the folder, all of whose files are served.
    unfinished, target = folder.with_name(".unfinished"), folder / file.path
    md5, size_bytes, chunk = hashlib.md5(usedforsecurity=False), 0, b""
    with _explained(model.uri, setting):
        filesystem, root = open_uri(model.uri)
        source = posixpath.join(root, model.version, file.path)
        content = filesystem.open_input_stream(source, compression=None)
    with content, unfinished.open("wb") as copy:
        while True:
            with _explained(model.uri, setting):
                if not (chunk := content.read(_CHUNK_BYTES)):
                    break
            copy.write(chunk)
            md5.update(chunk)
            size_bytes += len(chunk)
            yield len(chunk)
        # Of Google Cloud Storage, which has it of each object that was uploaded in one piece.
        given_md5 = (content.metadata() or {}).get(b"md5Hash", b"")
    with _explained(model.uri, setting):
        now = filesystem.get_file_info(source)
    # Some stores tell a single file's time in whole seconds.
    if now.size != file.size_bytes or _changed_us(now) // 10**6 != file.changed_us // 10**6:
        raise SettingsError(f"{setting} is {model.uri!r}, but its {file.path} changed since it was listed, so {_AGAIN}")
    if size_bytes != file.size_bytes or given_md5 not in {b"", b64encode(md5.digest())}:
        raise SettingsError(
            f"{setting} is {model.uri!r}, but its {file.path} arrived damaged ({size_bytes:,} of {file.size_bytes:,}"
            f" bytes, MD5 {md5.hexdigest()}), so {_AGAIN}"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished.rename(target)


@cache
def _listing(uri: str) -> tuple[RemoteFile, ...]:
    """All files below a folder."""
    from pyarrow.fs import FileSelector

    from analysis.results.storage.file_system import RETRY_S, open_uri
    from analysis.results.storage.first_answer import require_answer

    if urlsplit(uri).scheme != "file":
        require_answer(uri, RETRY_S)
    filesystem, root = open_uri(uri)
    files = [
        RemoteFile(path=posixpath.relpath(info.path, root), size_bytes=info.size, changed_us=_changed_us(info))
        for info in filesystem.get_file_info(FileSelector(root, recursive=True))
        if info.is_file
    ]
    # An object's name may have any part, and a copy must not leave its folder.
    return tuple(sorted((file for file in files if ".." not in file.path.split("/")), key=lambda file: file.path))


def _changed_us(info: Any) -> int:  # noqa: ANN401 - pyarrow has no types
    return int(info.mtime_ns or 0) // 1000


def _has(path: Path, size_bytes: int) -> bool:
    return path.is_file() and path.stat().st_size == size_bytes


@contextmanager
def _locked(lock: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock that the kernel releases when the process ends; `wait` is called while another process holds it."""
    with lock.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                wait()
                time.sleep(_LOCK_POLL_S)
        yield


@contextmanager
def _explained(uri: str, setting: str) -> Iterator[None]:
    """Turn an error of the file system into a SettingsError that names the setting, the reason and the fix."""
    from pyarrow import ArrowException

    from analysis.results.storage.file_system import is_of_google, reason_of, token_fix

    try:
        yield
    except (OSError, ValueError, ArrowException) as error:
        fix = token_fix(error) or (_FIX_BUCKET if is_of_google(uri) else _FIX_OTHER)
        raise SettingsError(f"{setting} is {uri!r}, which cannot be read: {reason_of(error)}; {fix}") from error
