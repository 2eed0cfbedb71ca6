"""The work folder of a run: its raw rows, and beside them all that it takes to store the run later."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from analysis.results.schema.manifest import Manifest
from analysis.results.schema.manifest_file import ManifestFileError, manifest_of, manifest_text
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.storage.file_system import write_to_disk
from analysis.results.storage.parquet import UNREADABLE, write_parquet
from analysis.results.storage.store import ResultsStore
from loadtest.generator.plan import worker_name
from loadtest.result.raw_rows import read_all_raw_rows

_MANIFEST, _SAMPLES = "manifest.json", "samples.parquet"
# In the format of the command sha256sum.
_DIGESTS = "sha256sums"


class WorkFolderError(ValueError):
    """A folder holds no run that can be stored; the message says why."""


@dataclass(frozen=True)
class MeasuredRun:
    """A run that is measured. `rows` are in REQUESTS_SCHEMA, `samples` in SAMPLES_SCHEMA."""

    manifest: Manifest
    rows: pa.Table
    samples: pa.Table

    def store(self, store: ResultsStore) -> Manifest:
        """Write it to a results store; raises StoreError."""
        workers = pc.unique(self.rows["worker"]).to_pylist() or [worker_name(0)]
        parts = ((worker, self.rows.filter(pc.equal(self.rows["worker"], worker))) for worker in workers)
        return store.write_run(self.manifest, parts, self.samples)


def keep_beside_raw_rows(run: MeasuredRun, folder: Path) -> None:
    """Write manifest, samples and digests into the work folder of a run; raises OSError."""
    samples, _ = write_parquet(SAMPLES_SCHEMA, run.samples.to_reader())
    write_to_disk(folder / _MANIFEST, manifest_text(run.manifest).encode())
    write_to_disk(folder / _SAMPLES, samples)
    files = [folder / _SAMPLES, *_raw_rows(folder, run.manifest)]
    write_to_disk(folder / _DIGESTS, "".join(f"{_sha256(file)}  {file.name}\n" for file in files).encode())


def is_measured(folder: Path) -> bool:
    """Whether the folder holds a run that was measured to its end."""
    return (folder / _DIGESTS).is_file()


def read_work_folder(folder: Path) -> MeasuredRun:
    """The run in a work folder, as it was measured. Raises WorkFolderError, and OSError where a file cannot be read."""
    if not is_measured(folder):
        raise WorkFolderError(
            f"{folder} holds no run to import, since it has neither {_DIGESTS} nor run.json; give the folder that"
            " `pulumi up` named when it could not store a run, or a folder of .state/runs that a killed `pulumi up`"
            " left. The rows of a killed update in a cluster are in the cluster: the next `pulumi up` fetches them"
        )
    for line in (folder / _DIGESTS).read_text().splitlines():
        digest, _, name = line.partition("  ")
        if not (folder / name).is_file() or _sha256(folder / name) != digest:
            raise WorkFolderError(
                f"{folder / name} is missing, or its SHA-256 is not the one in {_DIGESTS}, so the run cannot be"
                " imported; measure again"
            )
    try:
        manifest, whole = manifest_of((folder / _MANIFEST).read_bytes())
    except ManifestFileError as error:
        raise WorkFolderError(
            f"{folder / _MANIFEST} is not a manifest that this version can read ({error}), so the run cannot be"
            " imported; if a newer version wrote it, update the checkout, else measure again"
        ) from error
    except OSError as error:
        raise WorkFolderError(
            f"{folder / _MANIFEST} cannot be read ({error.strerror}), so the run cannot be imported; correct its"
            " permissions, or, if it is missing, measure again"
        ) from error
    try:
        samples = pq.read_table(folder / _SAMPLES, partitioning=None).cast(SAMPLES_SCHEMA)
    except UNREADABLE as error:
        raise WorkFolderError(
            f"{folder / _SAMPLES} cannot be read ({error}), so the run cannot be imported; if a newer version wrote it,"
            " update the checkout, else measure again"
        ) from error
    if not whole:
        raise WorkFolderError(
            f"{folder / _MANIFEST} does not have the SHA-256 that it ends with, so the run cannot be imported; measure"
            " again"
        )
    return MeasuredRun(manifest, read_all_raw_rows(folder, manifest.generator.processes).rows, samples)


def _raw_rows(folder: Path, manifest: Manifest) -> Iterator[Path]:
    files = (folder / f"{worker_name(worker)}.csv" for worker in range(manifest.generator.processes))
    return (file for file in files if file.exists())


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()
