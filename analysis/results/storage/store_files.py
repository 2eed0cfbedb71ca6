"""The files of a results store, in a folder or a bucket, by their paths in the store. None is ever overwritten."""

import posixpath
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from pyarrow.fs import FileSelector, FileType, LocalFileSystem

from analysis.results.storage.file_system import (
    files_below,
    open_uri,
    read_all,
    reason_of,
    token_fix,
    upload,
    write_to_disk,
)
from analysis.results.storage.first_answer import require_answer

# Files of a bucket that are read at once: each waits for several answers of some 50 ms.
_AT_ONCE = 16
# Of a file of rows: several times what the most rows take that are read, see parquet.py.
_MOST_BYTES = 2**31
_FIX_FOLDER = "give a folder that you can read and write"
_FIX_BUCKET = (
    "give a bucket that exists, and grant the role Storage Object User on it to the account of your Application Default"
    " Credentials (`gcloud auth application-default login`)"
)

_Result = TypeVar("_Result")


class StoreError(ValueError):
    """The store cannot be opened or written; the message says why and what to do."""


class RunExistsError(StoreError):
    """A file of this run exists already, and the store never overwrites."""


class StoreFiles:
    """Files in a folder, or under a URI that Arrow opens. Its methods raise StoreError, which names the store."""

    def __init__(self, uri: str, retry_s: int) -> None:
        """Nothing is read, so the folder need not exist; raises StoreError if no file system is known for `uri`.

        `retry_s`: how long a request to a bucket is repeated where there is no answer.
        """
        self.uri, self._retry_s = uri, retry_s
        try:
            self.filesystem, self._root = open_uri(uri, retry_s)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"the results store '{uri}' cannot be opened: {reason_of(error)}; give a folder, or a URI such as"
                " gs://bucket/prefix"
            ) from error
        self.on_disk = isinstance(self.filesystem, LocalFileSystem)

    def full_path(self, path: str) -> str:
        """The path in the file system."""
        return posixpath.join(self._root, path)

    def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""
        with self._explained("read"):
            return bool(self.filesystem.get_file_info(self.full_path(path)).type is not FileType.NotFound)

    def below(self, folder: str) -> list[str]:
        """The paths of all files below a folder, sorted; none where there is no such folder."""
        root = self.full_path("")
        with self._explained("read"):
            listed = self.filesystem.get_file_info(
                FileSelector(self.full_path(folder), allow_not_found=True, recursive=True)
            )
        return sorted(posixpath.relpath(each.path, root) for each in listed if each.is_file)

    def listed(self, folder: str) -> tuple[list[str], dict[str, str]]:
        """The same, and by path why something below it cannot be read, which is no reason to read nothing else."""
        if not self.on_disk or not self.exists(folder):
            return self.below(folder), {}
        root = self.full_path("")
        found = [(posixpath.relpath(path, root), why) for path, why in files_below(self.full_path(folder))]
        return sorted(path for path, why in found if why is None), {path: why for path, why in found if why}

    def content(self, path: str, most_bytes: int = _MOST_BYTES) -> pa.Buffer:
        """The content of a file; raises OSError, since one file that cannot be read is no reason to read no other."""
        return read_all(self.filesystem, self.full_path(path), most_bytes)

    def each(self, do: Callable[[str], _Result], paths: Sequence[str]) -> list[_Result]:
        """Call `do` with each path, with several at once where each waits for a bucket."""
        if self.on_disk:
            return [do(path) for path in paths]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(do, paths))

    def write(self, path: str, content: pa.Buffer | bytes) -> None:
        """Write a file that must not exist yet. It is seen only when it is complete, whatever interrupts the writing.

        On a disk it has another name until it is there to stay. A bucket shows an object once its upload is finished,
        and a stream finishes it even after an error, so it is given the whole content at once and removed on an error.
        """
        if self.exists(path):
            raise RunExistsError(
                f"{path} exists in {self.uri}, and the store never overwrites, so it was not written; if the run is not"
                " complete there, `shapebench import` replaces it"
            )
        with self._explained("written"):
            if self.on_disk:
                write_to_disk(Path(self.full_path(path)), content)
            else:
                upload(self.filesystem, self.full_path(path), content)

    def delete(self, path: str) -> None:
        """Delete a file."""
        with self._explained("written"):
            self.filesystem.delete_file(self.full_path(path))

    @contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        """Turn an error of the file system into a StoreError that names the store, the reason and the fix."""
        try:
            if not self.on_disk:
                require_answer(self.uri, self._retry_s)
            yield
        except (OSError, pa.ArrowException) as error:
            fix = token_fix(error) or (_FIX_FOLDER if self.on_disk else _FIX_BUCKET)
            raise StoreError(f"the results store '{self.uri}' cannot be {done}: {reason_of(error)}; {fix}") from error
