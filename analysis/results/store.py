"""The results store: writes rows first and the manifest last, overwrites nothing, and reads what it can verify."""

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import FileSelector, FileType, LocalFileSystem
from ulid import ULID

from analysis.results.file_system import RETRY_S, open_uri, read_all, reason_of, upload, write_to_disk
from analysis.results.layout import (
    CHANGED,
    MANIFEST,
    MISSING,
    PART,
    RESTORE,
    SAMPLES,
    Problem,
    manifest_path,
    misplaced,
    named_files,
    rows_folder,
    samples_path,
    unlike_manifests,
)
from analysis.results.manifest import Manifest, StoredFile
from analysis.results.manifest_file import ManifestFileError, manifest_of, manifest_text
from analysis.results.parquet import (
    UNREADABLE,
    ParquetError,
    not_parquet,
    open_parquet,
    require_columns,
    write_parquet,
)
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

    def write_run(self, manifest: Manifest, rows: Iterable[tuple[str, pa.Table]], samples: pa.Table) -> Manifest:
        """Write a whole run, the manifest last, and return the manifest with its `files`.

        `rows` are those of each process of the generator, by its name. Raises RunExistsError as the parts do.
        """
        stack, run_id = manifest.stack, manifest.run_id
        files = [self.write_rows(stack, run_id, worker, each) for worker, each in rows]
        if written := self.write_samples(stack, run_id, samples):
            files.append(written)
        whole = manifest.model_copy(update={"files": tuple(files)})
        self.write_manifest(whole)
        return whole

    def write_rows(self, stack: str, run_id: str, worker: str, rows: pa.Table | pa.RecordBatchReader) -> StoredFile:
        """Write the rows of one process of the generator.

        Raises RunExistsError if this worker's rows or the run's manifest are there already, and ValueError (from
        pyarrow) if the columns are not those of REQUESTS_SCHEMA.
        """
        for name in (stack, run_id, worker):
            _check_name(name)
        if self.is_finished(stack, run_id):
            raise RunExistsError(
                f"run {run_id} is finished: its manifest is written, so no rows can be added; use a new run id"
            )
        reader = rows.to_reader() if isinstance(rows, pa.Table) else rows
        return self._write_parquet(f"{rows_folder(stack, run_id)}/part-{worker}.parquet", REQUESTS_SCHEMA, reader)

    def write_samples(self, stack: str, run_id: str, samples: pa.Table) -> StoredFile | None:
        """Write the samples of a run, in SAMPLES_SCHEMA, before its manifest; without samples there is no file.

        Raises RunExistsError if the run has its samples.
        """
        for name in (stack, run_id):
            _check_name(name)
        if not samples.num_rows:
            return None
        return self._write_parquet(samples_path(stack, run_id), SAMPLES_SCHEMA, samples.to_reader())

    def write_manifest(self, manifest: Manifest) -> None:
        """Finish a run: write its manifest; raises RunExistsError if it has one."""
        self._write(manifest_path(manifest.stack, manifest.run_id), manifest_text(manifest).encode())

    def is_finished(self, stack: str, run_id: str) -> bool:
        """Whether the store has the manifest of a run."""
        return self._exists(manifest_path(stack, run_id))

    def remove_unfinished(self, stack: str, run_id: str) -> None:
        """Delete what is there of a run without a manifest; raises RunExistsError if it has one."""
        if self.is_finished(stack, run_id):
            raise RunExistsError(
                f"run {run_id} of stack {stack} is in {self.uri} already, so there is nothing to store"
            )
        for folder in (rows_folder(stack, run_id), posixpath.dirname(samples_path(stack, run_id))):
            for path in self._files(folder):
                with self._explained("written"):
                    self.filesystem.delete_file(self._path(path))

    def check_writable(self) -> None:
        """Write a small file and remove it; raises StoreError if that fails."""
        path = f"write-check-{new_run_id()}"
        self._write(path, b"shapebench checks that it can write here.\n")
        with self._explained("written"):
            self.filesystem.delete_file(self._path(path))

    def scan(self) -> Scan:
        """Read every manifest and check every file; a file that is wrong is a problem and no error.

        The content of a run's rows and samples is verified when they are read. Raises StoreError if the store cannot
        be listed, or is a folder that does not exist.
        """
        if self._on_disk and not self._exists(""):
            raise StoreError(
                f"the results store '{self.uri}' does not exist; give a folder that holds runs, or make one with"
                " `pulumi up --stack local`"
            )
        manifest_files, parts, samples = self._files("runs"), self._files("requests"), self._files("samples")
        read = self._each(self._read_manifest, manifest_files)
        manifests = [each for each in read if isinstance(each, Manifest)]
        checked = self._each(self._problem_with, [*parts, *samples])
        problems = [each for each in (*read, *checked) if isinstance(each, Problem)]
        problems += unlike_manifests(manifests, {*parts, *samples}, {each.path for each in problems})
        started = {posixpath.dirname(path) for path in parts if PART.fullmatch(path)}
        finished = {rows_folder(**match.groupdict()) for path in manifest_files if (match := MANIFEST.fullmatch(path))}
        manifests.sort(key=lambda manifest: manifest.run_id)
        return Scan(tuple(manifests), tuple(problems), tuple(sorted(started - finished)))

    def newest(self, stack: str) -> Manifest | None:
        """The newest readable manifest of a stack; None where it has none. Raises StoreError."""
        read = (self._read_manifest(manifest_path(stack, run_id)) for run_id in reversed(self.run_ids(stack)))
        return next((each for each in read if isinstance(each, Manifest)), None)

    def run_ids(self, stack: str) -> list[str]:
        """The finished runs of a stack, from the oldest to the newest. Raises StoreError."""
        matches = map(MANIFEST.fullmatch, self._files(f"runs/stack={stack}"))
        return [match["run_id"] for match in matches if match]

    def run(self, stack: str, run_id: str) -> Manifest | Problem | None:
        """The manifest of a run, or what is wrong with it; None where the run is not finished. Raises StoreError."""
        return self._read_manifest(manifest_path(stack, run_id)) if self.is_finished(stack, run_id) else None

    def parts(self, manifest: Manifest) -> tuple[list[str], list[Problem]]:
        """The row files of a run, as paths of the file system, and the problems of the others. None is opened."""
        parts, problems = self._parts(manifest)
        return [self._path(path) for path in parts], problems

    def row_files(self, manifest: Manifest, read_dictionary: Sequence[str] = ()) -> Iterator[pq.ParquetFile | Problem]:
        """Each row file of a run, as its manifest describes it, or what is wrong with it."""
        parts, problems = self._parts(manifest)
        yield from problems
        for path, stored in parts.items():
            yield self._open(path, stored, REQUESTS_SCHEMA, read_dictionary)

    def samples(self, manifest: Manifest) -> pa.Table | Problem:
        """The samples of a run, an empty table where there are none, or what is wrong with their file."""
        path = samples_path(manifest.stack, manifest.run_id)
        stored = named_files(manifest).get(path)
        if stored is None and (manifest.files is not None or not self._exists(path)):
            return SAMPLES_SCHEMA.empty_table()
        file = self._open(path, stored, SAMPLES_SCHEMA)
        if isinstance(file, Problem):
            return file
        try:
            with file:
                return file.read(SAMPLES_SCHEMA.names).cast(SAMPLES_SCHEMA)
        except UNREADABLE as error:
            return Problem(path, str(not_parquet(error)))

    def _parts(self, manifest: Manifest) -> tuple[Mapping[str, StoredFile | None], list[Problem]]:
        """The row files of a run by their paths in the store, and what is wrong with them by the list of files."""
        folder = rows_folder(manifest.stack, manifest.run_id)
        listed = self._files(folder)
        if manifest.files is None:
            parts: dict[str, StoredFile | None] = {path: None for path in listed if PART.fullmatch(path)}
            return parts, [] if parts else [Problem(folder, f"has no file of rows; {RESTORE}")]
        named = {path: each for path, each in named_files(manifest).items() if path.startswith(f"{folder}/")}
        return (
            {path: stored for path, stored in named.items() if path in listed},
            [Problem(path, MISSING) for path in named if path not in listed],
        )

    def _open(
        self, path: str, stored: StoredFile | None, wanted: pa.Schema, read_dictionary: Sequence[str] = ()
    ) -> pq.ParquetFile | Problem:
        """Open a Parquet file, read at once, so that what is read is what was verified."""
        try:
            content = self._content(path)
        except OSError as error:
            return Problem(path, f"cannot be read: {reason_of(error)}")
        if stored and sha256(content).hexdigest() != stored.sha256:
            return Problem(path, CHANGED.format("in the manifest of its run"))
        try:
            return open_parquet(content, wanted, read_dictionary)
        except ParquetError as error:
            return Problem(path, str(error))

    def _content(self, path: str) -> pa.Buffer:
        return read_all(self.filesystem, self._path(path))

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

    def _write_parquet(self, path: str, schema: pa.Schema, rows: pa.RecordBatchReader) -> StoredFile:
        content, count = write_parquet(schema, rows)
        self._write(path, content)
        return StoredFile(name=posixpath.basename(path), rows=count, sha256=sha256(content).hexdigest())

    def _write(self, path: str, content: pa.Buffer | bytes) -> None:
        """Write a file that must not exist yet. It is seen only when it is complete, whatever interrupts the writing.

        On a disk it has another name until it is there to stay. A bucket shows an object once its upload is finished,
        and a stream finishes it even after an error, so it is given the whole content at once and removed on an error.
        """
        target = self._path(path)
        if self._exists(path):
            raise RunExistsError(
                f"{path} exists in {self.uri}, and the store never overwrites, so it was not written; use a new run id"
            )
        with self._explained("written"):
            if self._on_disk:
                write_to_disk(Path(target), content)
            else:
                upload(self.filesystem, target, content)

    @contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        """Turn an error of the file system into a StoreError that names the store, the reason and the mend."""
        try:
            yield
        except (OSError, pa.ArrowException) as error:
            mend = _MEND_FOLDER if self._on_disk else _MEND_BUCKET
            raise StoreError(f"the results store '{self.uri}' cannot be {done}: {reason_of(error)}; {mend}") from error

    def _read_manifest(self, path: str) -> Manifest | Problem:
        name = MANIFEST.fullmatch(path)
        if name is None:
            return misplaced(path, "runs/stack=<stack>/<run id>.json")
        try:
            manifest, whole = manifest_of(self._content(path).to_pybytes())
        except ManifestFileError as error:
            return Problem(
                path,
                f"is not a manifest that this version can read; if a newer one wrote it, update the checkout: {error}",
            )
        except OSError as error:
            return Problem(path, f"cannot be read: {error}")
        if (manifest.stack, manifest.run_id) != (name["stack"], name["run_id"]):
            return Problem(
                path,
                f"contains the manifest of run {manifest.run_id} of stack {manifest.stack}, so it belongs at"
                f" {manifest_path(manifest.stack, manifest.run_id)}; move it there, or {RESTORE}",
            )
        return manifest if whole else Problem(path, CHANGED.format("at its end"))

    def _problem_with(self, path: str) -> Problem | None:
        """What is wrong with the name or the footer of a file of rows or samples; its pages are not read."""
        import pyarrow.dataset as ds  # noqa: PLC0415 - it imports pandas, which whoever only writes does not need

        wanted, name, layout = REQUESTS_SCHEMA, PART, "requests/stack=<stack>/run_id=<run id>/part-<worker>.parquet"
        if path.startswith("samples/"):
            wanted, name, layout = SAMPLES_SCHEMA, SAMPLES, "samples/stack=<stack>/run_id=<run id>/samples.parquet"
        if name.fullmatch(path) is None:
            return misplaced(path, layout)
        try:
            require_columns(ds.ParquetFileFormat().inspect(self._path(path), self.filesystem), wanted)
        except ParquetError as error:
            return Problem(path, str(error))
        except UNREADABLE as error:
            return Problem(path, str(not_parquet(error)))
        return None


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise StoreError(f"'{name}' cannot be part of a file name in the store; use letters, digits, '.', '_' and '-'")
