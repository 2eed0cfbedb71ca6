"""Reads files of a results store and says what is wrong with them: a damaged file is a problem, and no error."""

from collections.abc import Sequence
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq

from analysis.results.file_system import reason_of
from analysis.results.layout import CHANGED, MANIFEST, PART, RESTORE, SAMPLES, Problem, manifest_path, misplaced
from analysis.results.manifest import Manifest, StoredFile
from analysis.results.manifest_file import ManifestFileError, manifest_of
from analysis.results.parquet import UNREADABLE, ParquetError, not_parquet, open_parquet, require_columns
from analysis.results.request_rows import REQUESTS_SCHEMA
from analysis.results.samples import SAMPLES_SCHEMA
from analysis.results.store_files import StoreFiles


def read_manifest(files: StoreFiles, path: str) -> Manifest | Problem:
    """A manifest that is whole and in its place."""
    name = MANIFEST.fullmatch(path)
    if name is None:
        return misplaced(path, "runs/stack=<stack>/<run id>.json")
    try:
        manifest, whole = manifest_of(files.content(path).to_pybytes())
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
    return manifest if whole else Problem(path, CHANGED.format("at its end"))


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
        return open_parquet(content, wanted, read_dictionary)
    except ParquetError as error:
        return Problem(path, str(error))


def problem_with(files: StoreFiles, path: str) -> Problem | None:
    """What is wrong with the name or the footer of a file of rows or samples; its pages are not read."""
    import pyarrow.dataset as ds  # noqa: PLC0415 - it imports pandas, which whoever only writes does not need

    wanted, name, layout = REQUESTS_SCHEMA, PART, "requests/stack=<stack>/run_id=<run id>/part-<worker>.parquet"
    if path.startswith("samples/"):
        wanted, name, layout = SAMPLES_SCHEMA, SAMPLES, "samples/stack=<stack>/run_id=<run id>/samples.parquet"
    if name.fullmatch(path) is None:
        return misplaced(path, layout)
    try:
        require_columns(ds.ParquetFileFormat().inspect(files.full_path(path), files.filesystem), wanted)
    except ParquetError as error:
        return Problem(path, str(error))
    except UNREADABLE as error:
        return Problem(path, str(not_parquet(error)))
    return None


def _not_read(path: str, error: OSError) -> Problem:
    return Problem(path, f"cannot be read: {reason_of(error)}; check its permissions, or {RESTORE}")
