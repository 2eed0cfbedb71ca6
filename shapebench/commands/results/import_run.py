"""`shapebench import`: stores a run that `pulumi up` measured and could not store."""

from pathlib import Path

from analysis.formatting import count
from analysis.results.storage.store import ResultsStore
from provider.killed_run import is_of_killed_run, read_killed_run
from provider.record.work_folder import MeasuredRun, WorkFolderError, is_measured, read_work_folder
from shapebench.output import CommandError, print_text


def import_run(folder: Path, uri: str) -> None:
    """Store the run, and say where; raises CommandError if the folder holds none, StoreError if it cannot be stored."""
    try:
        run = _run_in(folder)
    except WorkFolderError as error:
        raise CommandError(str(error)) from error
    store = ResultsStore(uri)
    store.remove_unfinished(run.manifest.stack, run.manifest.run_id)
    run.store(store)
    reasons = run.manifest.validity.reasons
    invalid = f", marked invalid ({'; '.join(reasons)})" if reasons else ""
    print_text(
        f"run {run.manifest.run_id} of stack {run.manifest.stack} with {count(run.rows.num_rows)} requests is stored in"
        f" {uri}{invalid}; {folder} is not needed any more"
    )


def _run_in(folder: Path) -> MeasuredRun:
    """The run as it was measured, or what is known of one whose plugin was killed."""
    if is_of_killed_run(folder) and not is_measured(folder):
        return read_killed_run(folder)
    return read_work_folder(folder)
