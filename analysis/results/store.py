"""The results store: writes rows first and the manifest last, overwrites nothing, and skips unreadable files."""

import posixpath
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileType, LocalFileSystem
from pydantic import ValidationError
from ulid import ULID

from analysis.results.file_system import RETRY_S, open_uri, reason_of
from analysis.results.manifest import Manifest
from analysis.results.samples import SAMPLES_SCHEMA

_TIMESTAMP = pa.timestamp("us", tz="UTC")

# One row for each request that was due.
REQUESTS_SCHEMA: pa.Schema = pa.schema(
    [
        pa.field("intended_start", _TIMESTAMP, nullable=False),
        pa.field("start", _TIMESTAMP, nullable=False),
        pa.field("latency_us", pa.int64(), nullable=False),
        pa.field("phase", pa.string(), nullable=False),
        pa.field("ok", pa.bool_(), nullable=False),
        pa.field("status", pa.int16(), nullable=False),
        pa.field("error", pa.string(), nullable=True),
        pa.field("request_bytes", pa.int64(), nullable=False),
        pa.field("response_bytes", pa.int64(), nullable=False),
        pa.field("worker", pa.string(), nullable=False),
        pa.field("backend", pa.string(), nullable=True),
    ]
)
REQUEST_COLUMNS: tuple[str, ...] = tuple(REQUESTS_SCHEMA.names)
# The `error` of a request that was due when no client was free: it was not sent, so no server counted it.
NOT_SENT = "not_sent"

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_MANIFEST = re.compile(r"runs/stack=(?P<stack>[A-Za-z0-9._-]+)/(?P<run_id>[0-9A-HJKMNP-TV-Z]{26})\.json")
_PART = re.compile(
    r"requests/stack=(?P<stack>[A-Za-z0-9._-]+)/run_id=(?P<run_id>[0-9A-HJKMNP-TV-Z]{26})/part-[A-Za-z0-9._-]+\.parquet"
)
_SAMPLES = re.compile(r"samples/stack=[A-Za-z0-9._-]+/run_id=[0-9A-HJKMNP-TV-Z]{26}/samples\.parquet")
_HALF_WRITTEN = ".half-written"
# Files of a bucket that are read at once: each waits for several answers of some 50 ms.
_AT_ONCE = 16
_MEND_FOLDER = "give a folder that you can read and write"
_MEND_BUCKET = (
    "give a bucket that exists, and grant the role Storage Object User on it to the account of your Application Default"
    " Credentials (`gcloud auth application-default login`)"
)

_Result = TypeVar("_Result")


class StoreError(ValueError):
    """The store cannot be opened or written; the message says why and what to do."""


class RunExistsError(StoreError):
    """A file of this run exists already, and the store never overwrites."""


@dataclass(frozen=True)
class Problem:
    """A file that was skipped, by its path in the store, and why. The file is left as it is."""

    path: str
    why: str


@dataclass(frozen=True)
class Scan:
    """The content of a store. `unfinished` are the folders of runs that have rows and no manifest."""

    manifests: tuple[Manifest, ...]
    problems: tuple[Problem, ...]
    unfinished: tuple[str, ...]


def new_run_id() -> str:
    """A ULID: unique without coordination, and sorted by time."""
    return str(ULID())


class ResultsStore:
    """Runs in a folder, or under a URI that Arrow opens, such as `gs://bucket/prefix`."""

    def __init__(self, uri: str, retry_s: int = RETRY_S) -> None:
        """Open a store that may not exist yet; raises StoreError if no file system is known for `uri`.

        `retry_s`: how long a request to a bucket is repeated where there is no answer.
        """
        self.uri = uri
        try:
            self.filesystem, self._root = open_uri(uri, retry_s)
        except (OSError, ValueError) as error:
            raise StoreError(
                f"the results store '{uri}' cannot be opened: {reason_of(error)}; give a folder, or a URI such as"
                " gs://bucket/prefix"
            ) from error
        self._on_disk = isinstance(self.filesystem, LocalFileSystem)

    def write_rows(self, stack: str, run_id: str, worker: str, rows: pa.Table | pa.RecordBatchReader) -> int:
        """Write the rows of one process of the generator and return their number.

        Raises RunExistsError if this worker's rows or the run's manifest are there already, and ValueError (from
        pyarrow) if the columns are not those of REQUESTS_SCHEMA.
        """
        for name in (stack, run_id, worker):
            _check_name(name)
        if self._exists(_manifest_path(stack, run_id)):
            raise RunExistsError(
                f"run {run_id} is finished: its manifest is written, so no rows can be added; use a new run id"
            )
        reader = rows.to_reader() if isinstance(rows, pa.Table) else rows
        count = 0
        content = pa.BufferOutputStream()
        with pq.ParquetWriter(content, REQUESTS_SCHEMA, compression="zstd") as writer:
            for batch in reader:
                table = pa.Table.from_batches([batch]).cast(REQUESTS_SCHEMA)
                writer.write_table(table)
                count += table.num_rows
        self._write(f"{_rows_folder(stack, run_id)}/part-{worker}.parquet", content.getvalue())
        return count

    def write_samples(self, stack: str, run_id: str, samples: pa.Table) -> None:
        """Write the samples of a run, in SAMPLES_SCHEMA, before its manifest; without samples there is no file.

        Raises RunExistsError if the run has its samples.
        """
        for name in (stack, run_id):
            _check_name(name)
        if samples.num_rows:
            content = pa.BufferOutputStream()
            pq.write_table(samples.cast(SAMPLES_SCHEMA), content, compression="zstd")
            self._write(_samples_path(stack, run_id), content.getvalue())

    def samples(self, manifest: Manifest) -> pa.Table:
        """The samples of a run; an empty table where there are none or they cannot be read."""
        path = _samples_path(manifest.stack, manifest.run_id)
        if not self._exists(path) or self._problem_with(path):
            return SAMPLES_SCHEMA.empty_table()
        with self.parquet_file(self._path(path)) as file:
            return file.read(SAMPLES_SCHEMA.names)

    def parquet_file(self, path: str, read_dictionary: Sequence[str] = ()) -> pq.ParquetFile:
        """Open a Parquet file by its path in the file system.

        By path, so that Arrow reads with its own file: its threads may outlive the main one, and a file of Python's
        then aborts the process at its exit (https://github.com/apache/arrow/issues/34314 and 45017).
        """
        return pq.ParquetFile(
            path, filesystem=self.filesystem, read_dictionary=list(read_dictionary), pre_buffer=not self._on_disk
        )

    def write_manifest(self, manifest: Manifest) -> str:
        """Finish a run: write its manifest and return where; raises RunExistsError if it has one."""
        path = _manifest_path(manifest.stack, manifest.run_id)
        self._write(path, manifest.model_dump_json(indent=2).encode() + b"\n")
        return self._path(path)

    def check_writable(self) -> None:
        """Write a small file and remove it; raises StoreError if that fails."""
        path = f"write-check-{new_run_id()}"
        self._write(path, b"shapebench checks that it can write here.\n")
        with self._explained("written"):
            self.filesystem.delete_file(self._path(path))

    def scan(self) -> Scan:
        """Read every manifest and check every file; a file that is wrong is a problem and no error.

        Raises StoreError if the store cannot be listed.
        """
        manifest_files = self._files("runs")
        read = self._each(self._read_manifest, manifest_files)
        manifests = [each for each in read if isinstance(each, Manifest)]
        parts = self._files("requests")
        checked = self._each(self._problem_with, [*parts, *self._files("samples")])
        problems = [each for each in (*read, *checked) if isinstance(each, Problem)]
        started = {posixpath.dirname(path) for path in parts if _PART.fullmatch(path)}
        finished = {
            _rows_folder(**match.groupdict()) for path in manifest_files if (match := _MANIFEST.fullmatch(path))
        }
        manifests.sort(key=lambda manifest: manifest.run_id)
        return Scan(tuple(manifests), tuple(problems), tuple(sorted(started - finished)))

    def parts(self, manifest: Manifest) -> tuple[list[str], list[Problem]]:
        """The readable row files of a run, as paths of the file system, and the problems of the others."""
        paths = self._files(_rows_folder(manifest.stack, manifest.run_id))
        problems = [problem for path in paths if (problem := self._problem_with(path))]
        unreadable = {problem.path for problem in problems}
        return [self._path(path) for path in paths if path not in unreadable], problems

    def _path(self, path: str) -> str:
        return posixpath.join(self._root, path)

    def _exists(self, path: str) -> bool:
        with self._explained("read"):
            return bool(self.filesystem.get_file_info(self._path(path)).type is not FileType.NotFound)

    def _files(self, folder: str) -> list[str]:
        """Paths below a folder of the store, relative to the store."""
        root = self._path("")
        with self._explained("read"):
            listed = self.filesystem.get_file_info(
                FileSelector(self._path(folder), allow_not_found=True, recursive=True)
            )
        return sorted(posixpath.relpath(each.path, root) for each in listed if each.is_file)

    def _each(self, do: Callable[[str], _Result], paths: Sequence[str]) -> list[_Result]:
        """Call `do` with each path, with several at once where each waits for a bucket."""
        if self._on_disk:
            return [do(path) for path in paths]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(do, paths))

    def _write(self, path: str, content: pa.Buffer | bytes) -> None:
        """Write a file that must not exist yet. It is seen only when it is complete, whatever interrupts the writing.

        On a disk it has another name until then. A bucket shows an object once its upload is finished, and a stream
        finishes it even after an error, so it is given the whole content at once.
        """
        target = self._path(path)
        if self._exists(path):
            raise RunExistsError(f"{path} exists in {self.uri}, and the store never overwrites; use a new run id")
        with self._explained("written"):
            if not self._on_disk:
                self._write_stream(target, content)
                return
            self.filesystem.create_dir(posixpath.dirname(target))
            half_written = f"{target}.{secrets.token_hex(4)}{_HALF_WRITTEN}"
            try:
                self._write_stream(half_written, content)
                self.filesystem.move(half_written, target)
            finally:
                Path(half_written).unlink(missing_ok=True)

    def _write_stream(self, target: str, content: pa.Buffer | bytes) -> None:
        with self.filesystem.open_output_stream(target, compression=None) as stream:
            stream.write(content)

    @contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        """Turn an error of the file system into a StoreError that names the store, the reason and the mend."""
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            mend = _MEND_FOLDER if self._on_disk else _MEND_BUCKET
            raise StoreError(f"the results store '{self.uri}' cannot be {done}: {reason_of(error)}; {mend}") from error

    def _read_manifest(self, path: str) -> Manifest | Problem:
        name = _MANIFEST.fullmatch(path)
        if name is None:
            return _misplaced(path, "runs/stack=<stack>/<run id>.json")
        try:
            # A stream: for the size of a file of Arrow's, Python waits with its lock held, and all threads with it.
            with self.filesystem.open_input_stream(self._path(path), compression=None) as file:
                manifest = Manifest.model_validate_json(file.read())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            return Problem(path, f"is not a manifest of this version: {where + ': ' if where else ''}{first['msg']}")
        except OSError as error:
            return Problem(path, f"cannot be read: {error}")
        if (manifest.stack, manifest.run_id) != (name["stack"], name["run_id"]):
            return Problem(path, f"contains the manifest of run {manifest.run_id} of stack {manifest.stack}")
        return manifest

    def _problem_with(self, path: str) -> Problem | None:
        """What is wrong with the name or the footer of a file of rows or samples; its pages are not read."""
        wanted, name, layout = REQUESTS_SCHEMA, _PART, "requests/stack=<stack>/run_id=<run id>/part-<worker>.parquet"
        if path.startswith("samples/"):
            wanted, name, layout = SAMPLES_SCHEMA, _SAMPLES, "samples/stack=<stack>/run_id=<run id>/samples.parquet"
        if name.fullmatch(path) is None:
            return _misplaced(path, layout)
        try:
            schema = ds.ParquetFileFormat().inspect(self._path(path), self.filesystem)
        except (OSError, pa.ArrowException) as error:
            return Problem(path, f"is not a readable Parquet file: {str(error).splitlines()[0]}")
        types = dict(zip(schema.names, schema.types, strict=True))
        wrong = [field.name for field in wanted if types.get(field.name) != field.type]
        return Problem(path, f"lacks columns, or has other types for them: {', '.join(wrong)}") if wrong else None


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise StoreError(f"'{name}' cannot be part of a file name in the store; use letters, digits, '.', '_' and '-'")


def _manifest_path(stack: str, run_id: str) -> str:
    return f"runs/stack={stack}/{run_id}.json"


def _rows_folder(stack: str, run_id: str) -> str:
    return f"requests/stack={stack}/run_id={run_id}"


def _samples_path(stack: str, run_id: str) -> str:
    return f"samples/stack={stack}/run_id={run_id}/samples.parquet"


def _misplaced(path: str, layout: str) -> Problem:
    if path.endswith(_HALF_WRITTEN):
        return Problem(path, "is incomplete: its writer was stopped")
    return Problem(path, f"is not in the layout of the store, {layout}")
