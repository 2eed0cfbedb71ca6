"""Writes the published folder: a results store of the chosen runs, and its page. It appears when it is whole."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from analysis.objective import Asked
from analysis.publish.fields import public_manifest
from analysis.publish.page import page
from analysis.publish.pseudonyms import Pseudonyms
from analysis.publish.rows import public_rows, public_samples, public_worker
from analysis.publish.selection import Contributed, Selection
from analysis.report.folders import new_folder
from analysis.results.schema.manifest import Manifest, StoredFile
from analysis.results.storage.layout import Problem
from analysis.results.storage.store import ResultsStore
from analysis.results.storage.store_files import StoreError
from analysis.verdict.verdict import Verdict, read_verdict

PAGE = "README.md"
_PART = re.compile(r"part-(?P<worker>.+)\.parquet")


@dataclass(frozen=True)
class PublishedFolder:
    """What was written: the verdict on it, its number of files, and how many names of each kind were replaced."""

    verdict: Verdict
    files: int
    replaced: dict[str, int]


def write_published(selection: Selection, folder: Path, requested: Asked, on: date) -> PublishedFolder:
    """Write a folder that must not exist yet; after an error there is none.

    Raises FileExistsError where it exists, StoreError where a store changes meanwhile, and ObjectiveError where the
    objective is not certain.
    """
    pseudonyms = Pseudonyms()
    with new_folder(folder) as half_written:
        published = ResultsStore(str(half_written))
        for run in selection.runs:
            _write_run(run, published, pseudonyms)
        verdict = read_verdict(published, requested)
        (half_written / PAGE).write_text(page(verdict, selection.left_out, on), encoding="utf-8")
        files = sum(path.is_file() for path in half_written.rglob("*"))
    return PublishedFolder(verdict, files, dict(pseudonyms.counts))


def _write_run(run: Contributed, published: ResultsStore, pseudonyms: Pseudonyms) -> None:
    public = public_manifest(run.manifest, pseudonyms)
    stored = [*_row_files(run, public, published, pseudonyms)]
    samples = run.store.samples(run.manifest)
    if isinstance(samples, Problem):
        raise _changed(samples)
    if written := published.write_samples(public.stack, public.run_id, public_samples(samples, pseudonyms)):
        stored.append(written)
    published.write_manifest(public.model_copy(update={"files": tuple(stored)}))


def _row_files(
    run: Contributed, public: Manifest, published: ResultsStore, pseudonyms: Pseudonyms
) -> Sequence[StoredFile]:
    """Each file of rows under the public name of the process that wrote it."""
    workers = [
        found["worker"] for stored_file in run.manifest.files or () if (found := _PART.fullmatch(stored_file.name))
    ]
    written = []
    for worker, file in zip(workers, run.store.row_files(run.manifest), strict=True):
        if isinstance(file, Problem):
            raise _changed(file)
        with file:
            rows = public_rows(file, pseudonyms)
            written.append(published.write_rows(public.stack, public.run_id, public_worker(worker, pseudonyms), rows))
    return written


def _changed(problem: Problem) -> StoreError:
    return StoreError(
        f"{problem.path} changed while it was published, so nothing was written: it {problem.why}; publish again when"
        " nothing writes into the store"
    )
