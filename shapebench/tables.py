"""`python -m shapebench.tables`: reads a results store and writes one table to stdout, as an Arrow stream.

`import shapebench` starts it, see there.
"""

import json
import sys
from collections.abc import Iterable

import pyarrow as pa

from analysis.report.data_tables import runs_frame
from analysis.results.run.columns import RowsError, rows_in_order
from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from analysis.results.storage.store import ResultsStore
from analysis.results.storage.store_files import StoreError
from shapebench.output import CommandError, note
from shapebench.skipped import no_finished_run, note_skipped


def main(uri: str, run_id: str | None = None) -> int:
    try:
        if run_id is None:
            _write_runs(ResultsStore(uri))
        else:
            _write_rows(ResultsStore(uri), run_id)
    except RowsError as error:
        note(f"the rows of this run cannot be read: {error}")
        return 1
    except (CommandError, StoreError, OSError) as error:
        note(str(error))
        return 1
    return 0


def _write_runs(store: ResultsStore) -> None:
    scan = store.scan()
    note_skipped(scan)
    if not scan.manifests:
        note(no_finished_run(store.uri))
    frame = runs_frame(store, scan.manifests)
    for manifest, reasons in zip(scan.manifests, frame["reasons"] if len(frame) else (), strict=True):
        # What reading its files found; the others are in its manifest, as the column says.
        for reason in json.loads(reasons):
            if reason not in manifest.validity.reasons:
                note(f"invalid: {manifest.run_id}: {reason}")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    _write(table.schema, [table])


def _write_rows(store: ResultsStore, run_id: str) -> None:
    scan = store.scan()
    note_skipped(scan)
    manifest = next((manifest for manifest in scan.manifests if manifest.run_id == run_id), None)
    if manifest is None:
        raise CommandError(f"there is no finished run {run_id} in {store.uri}; Store.runs() lists those that are")
    _write(REQUESTS_SCHEMA, rows_in_order(store, manifest))


def _write(schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
    with pa.ipc.new_stream(sys.stdout.buffer, schema) as stream:
        for table in tables:
            stream.write_table(table)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
