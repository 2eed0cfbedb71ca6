"""The results store: writes rows first and the manifest last, overwrites nothing, and reads what it can verify."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq
from ulid import ULID

from analysis.results.schema.manifest import Manifest, StoredFile
from analysis.results.schema.manifest_file import manifest_text
from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.storage.file_system import RETRY_S
from analysis.results.storage.layout import (
    MANIFEST,
    MISSING,
    PART,
    RESTORE,
    Problem,
    manifest_path,
    named_files,
    rows_folder,
    same_ids,
    samples_path,
    stack_of,
    unfinished,
    unlike_manifests,
)
from analysis.results.storage.parquet import UNREADABLE, not_parquet, write_parquet
from analysis.results.storage.store_files import RunExistsError, StoreError, StoreFiles
from analysis.results.storage.values import why_no_samples
from analysis.results.storage.verification import open_verified, problem_with, read_manifest

_NAME = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True)
class Scan:
    """The content of a store. `unfinished` are the folders of runs that have rows and no manifest."""

    manifests: tuple[Manifest, ...]
    problems: tuple[Problem, ...]
    unfinished: tuple[str, ...]

    @property
    def stacks(self) -> set[str]:
        """The stacks of all runs, of those that cannot be read or are not finished, too."""
        paths = (*(problem.path for problem in self.problems), *self.unfinished)
        return {run.stack for run in self.manifests} | {stack for path in paths if (stack := stack_of(path))}


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
        self._files = StoreFiles(uri, retry_s)
        self.filesystem = self._files.filesystem

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
        """Finish a run: write its manifest; raises RunExistsError if it has one.

        In a store every manifest names its files, a run that has none included.
        """
        named = manifest if manifest.files is not None else manifest.model_copy(update={"files": ()})
        self._files.write(manifest_path(manifest.stack, manifest.run_id), manifest_text(named).encode())

    def is_finished(self, stack: str, run_id: str) -> bool:
        """Whether the store has the manifest of a run."""
        return self._files.exists(manifest_path(stack, run_id))

    def remove_unfinished(self, stack: str, run_id: str) -> None:
        """Delete what is there of a run without a manifest; raises RunExistsError if it has one."""
        if self.is_finished(stack, run_id):
            raise RunExistsError(
                f"run {run_id} of stack {stack} is in {self.uri} already, so there is nothing to store"
            )
        for folder in (rows_folder(stack, run_id), posixpath.dirname(samples_path(stack, run_id))):
            for path in self._files.below(folder):
                self._files.delete(path)

    def check_writable(self) -> None:
        """Write a small file and remove it; raises StoreError if that fails."""
        path = f"write-check-{new_run_id()}"
        self._files.write(path, b"shapebench checks that it can write here.\n")
        self._files.delete(path)

    def scan(self) -> Scan:
        """Read every manifest and check every file; a file that is wrong is a problem and no error.

        The content of a run's rows and samples is verified when they are read. Raises StoreError if the store cannot
        be listed, or is a folder that does not exist.
        """
        if self._files.on_disk and not self._files.exists(""):
            raise StoreError(
                f"the results store '{self.uri}' does not exist; give a folder that holds runs, or make one with"
                " `pulumi up --stack local`"
            )
        (manifest_files, hidden), (parts, hidden_parts), (samples, hidden_samples) = map(
            self._files.listed, ("runs", "requests", "samples")
        )
        read = self._files.each(partial(read_manifest, self._files), manifest_files)
        manifests = [each for each in read if isinstance(each, Manifest)]
        stored = {path: file for manifest in manifests for path, file in named_files(manifest).items()}
        checked = self._files.each(partial(problem_with, self._files, stored=stored), [*parts, *samples])
        problems = [Problem(path, why) for path, why in {**hidden, **hidden_parts, **hidden_samples}.items()]
        problems += [each for each in (*read, *checked) if isinstance(each, Problem)]
        problems += unlike_manifests(manifests, {*parts, *samples}, {problem.path for problem in problems})
        same = same_ids(manifests)
        manifests = sorted(
            (manifest for manifest in manifests if manifest.run_id not in same), key=lambda manifest: manifest.run_id
        )
        return Scan(
            tuple(manifests),
            (*problems, *(problem for found in same.values() for problem in found)),
            unfinished(parts, manifest_files, hidden),
        )

    def newest(self, stack: str) -> Manifest | None:
        """The newest readable manifest of a stack; None where it has none. Raises StoreError."""
        read = (read_manifest(self._files, manifest_path(stack, run_id)) for run_id in reversed(self.run_ids(stack)))
        return next((each for each in read if isinstance(each, Manifest)), None)

    def run_ids(self, stack: str) -> list[str]:
        """The finished runs of a stack, from the oldest to the newest. Raises StoreError."""
        matches = map(MANIFEST.fullmatch, self._files.below(f"runs/stack={stack}"))
        return [match["run_id"] for match in matches if match]

    def run(self, stack: str, run_id: str) -> Manifest | Problem | None:
        """The manifest of a run, or what is wrong with it; None where the run is not finished. Raises StoreError."""
        return read_manifest(self._files, manifest_path(stack, run_id)) if self.is_finished(stack, run_id) else None

    def parts(self, manifest: Manifest) -> tuple[list[str], list[Problem]]:
        """The row files of a run, as paths of the file system, and the problems of the others. None is opened."""
        parts, problems = self._parts(manifest)
        return [self._files.full_path(path) for path in parts], problems

    def row_files(self, manifest: Manifest, read_dictionary: Sequence[str] = ()) -> Iterator[pq.ParquetFile | Problem]:
        """Each row file of a run, as its manifest describes it, or what is wrong with it."""
        parts, problems = self._parts(manifest)
        yield from problems
        for path, stored in parts.items():
            yield open_verified(self._files, path, stored, REQUESTS_SCHEMA, read_dictionary)

    def samples(self, manifest: Manifest) -> pa.Table | Problem:
        """The samples of a run, an empty table where there are none, or what is wrong with their file."""
        path = samples_path(manifest.stack, manifest.run_id)
        stored = named_files(manifest).get(path)
        if stored is None and (manifest.files is not None or not self._files.exists(path)):
            return SAMPLES_SCHEMA.empty_table()
        file = open_verified(self._files, path, stored, SAMPLES_SCHEMA)
        if isinstance(file, Problem):
            return file
        try:
            with file:
                samples = file.read(SAMPLES_SCHEMA.names).cast(SAMPLES_SCHEMA)
            why = why_no_samples(samples)
        except UNREADABLE as error:
            return Problem(path, str(not_parquet(error)))
        return Problem(path, why) if why else samples

    def _parts(self, manifest: Manifest) -> tuple[Mapping[str, StoredFile | None], list[Problem]]:
        """The row files of a run by their paths in the store, and what is wrong with them by the list of files."""
        folder = rows_folder(manifest.stack, manifest.run_id)
        listed = self._files.below(folder)
        if manifest.files is None:
            parts: dict[str, StoredFile | None] = {path: None for path in listed if PART.fullmatch(path)}
            return parts, [] if parts else [Problem(folder, f"has no file of rows; {RESTORE}")]
        named = {path: each for path, each in named_files(manifest).items() if path.startswith(f"{folder}/")}
        return (
            {path: stored for path, stored in named.items() if path in listed},
            [Problem(path, MISSING) for path in named if path not in listed],
        )

    def _write_parquet(self, path: str, schema: pa.Schema, rows: pa.RecordBatchReader) -> StoredFile:
        content, count = write_parquet(schema, rows)
        self._files.write(path, content)
        return StoredFile(name=posixpath.basename(path), rows=count, sha256=sha256(content).hexdigest())


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise StoreError(f"'{name}' cannot be part of a file name in the store; use letters, digits, '.', '_' and '-'")
