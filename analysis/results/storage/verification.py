"""Reads files of a results store and says what is wrong with them: a damaged file is a problem, and no error."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.results.schema.manifest import Manifest, StoredFile
from analysis.results.schema.manifest_file import ManifestFileError, manifest_of
from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.storage.file_system import reason_of
from analysis.results.storage.layout import (
    CHANGED,
    MANIFEST,
    NO_FILES,
    PART,
    RESTORE,
    SAMPLES,
    Problem,
    manifest_path,
    misplaced,
)
from analysis.results.storage.parquet import (
    UNREADABLE,
    ParquetError,
    not_parquet,
    open_parquet,
    require_columns,
    require_rows,
)
from analysis.results.storage.store_files import StoreFiles

# A capacity search of a day has some hundred steps.
_MOST_BYTES_OF_MANIFEST = 2**22


def read_manifest(files: StoreFiles, path: str) -> Manifest | Problem:
    """A manifest that is whole and in its place."""
    name = MANIFEST.fullmatch(path)
    if name is None:
        return misplaced(path, "runs/stack=<stack>/<run id>.json")
    try:
        manifest, whole = manifest_of(files.content(path, _MOST_BYTES_OF_MANIFEST).to_pybytes())
    except ManifestFileError as error:
        return Problem(
            path,
            f"is not a manifest that this version can read ({error}); if a newer version wrote it, update the checkout,"
            f" else {RESTORE}",
        )
    except OSError as error:
        return _not_read(path, error)
    if (manifest.stack, manifest.run_id) != (name["stack"], name["run_id"]):
        return Problem(
            path,
            f"contains the manifest of run {manifest.run_id} of stack {manifest.stack}, so it belongs at"
            f" {manifest_path(manifest.stack, manifest.run_id)}; move it there, or {RESTORE}",
        )
    if not whole:
        return Problem(path, CHANGED.format("at its end"))
    return Problem(path, NO_FILES) if manifest.files is None and manifest.has_digests else manifest


def open_verified(
    files: StoreFiles, path: str, stored: StoredFile | None, wanted: pa.Schema, read_dictionary: Sequence[str] = ()
) -> pq.ParquetFile | Problem:
    """Open a Parquet file, read at once, so that what is read is what was verified.

    `stored` is how the manifest describes the file; None where it does not.
    """
    try:
        content = files.content(path)
    except OSError as error:
        return _not_read(path, error)
    if stored and sha256(content).hexdigest() != stored.sha256:
        return Problem(path, CHANGED.format("in the manifest of its run"))
    try:
        return open_parquet(content, wanted, stored.rows if stored else None, read_dictionary)
    except ParquetError as error:
        return Problem(path, str(error))


def problem_with(files: StoreFiles, path: str, stored: Mapping[str, StoredFile]) -> Problem | None:
    """What is wrong with a file of rows or samples: its name, its content, its footer; its pages are not decoded.

    `stored` is how the manifests describe files, by path. In a bucket, which keeps checksums of what it holds, only the
    footer is read: the content of all runs would be downloaded to show one.
    """
    wanted, name, layout = REQUESTS_SCHEMA, PART, "requests/stack=<stack>/run_id=<run id>/part-<worker>.parquet"
    if path.startswith("samples/"):
        wanted, name, layout = SAMPLES_SCHEMA, SAMPLES, "samples/stack=<stack>/run_id=<run id>/samples.parquet"
    if name.fullmatch(path) is None:
        return misplaced(path, layout)
    if files.on_disk and path in stored:
        file = open_verified(files, path, stored[path], wanted)
        return file if isinstance(file, Problem) else None
    try:
        with pq.ParquetFile(files.full_path(path), filesystem=files.filesystem) as file:
            require_columns(file.schema_arrow, wanted)
            require_rows(file.metadata, stored[path].rows if path in stored else None)
    except ParquetError as error:
        return Problem(path, str(error))
    except PermissionError as error:
        return _not_read(path, error)
    except UNREADABLE as error:
        return Problem(path, str(not_parquet(error)))
    return None


def _not_read(path: str, error: OSError) -> Problem:
    return Problem(path, f"cannot be read: {reason_of(error)}; check its permissions, or {RESTORE}")
