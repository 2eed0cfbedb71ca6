"""`shapebench import`: stores a run that `pulumi up` measured and could not store."""

from pathlib import Path

from analysis.formatting import count
from analysis.results.store import ResultsStore
from provider.record.work_folder import WorkFolderError, read_work_folder
from shapebench.output import CommandError, print_text


def import_run(folder: Path, uri: str) -> None:
    """Store the run, and say where; raises CommandError if the folder holds none, StoreError if it cannot be stored."""
    try:
        run = read_work_folder(folder)
    except WorkFolderError as error:
        raise CommandError(str(error)) from error
    store = ResultsStore(uri)
    store.remove_unfinished(run.manifest.stack, run.manifest.run_id)
    run.store(store)
    print_text(
        f"run {run.manifest.run_id} of stack {run.manifest.stack} with {count(run.rows.num_rows)} requests is stored in"
        f" {uri}; {folder} is not needed any more"
    )
