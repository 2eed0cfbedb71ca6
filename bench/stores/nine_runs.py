"""A store of nine runs of four stacks: capacity searches, a closed loop, and a rehearsal, each with two row files."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa

from analysis.results.schema.manifest import Manifest
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import STARTED_AT, Server, make_manifest, make_rows, make_search
from stacks.load.load_profiles import PROFILES, ClosedLoop

_SHAPES: Mapping[str, dict[str, Any]] = {
    "8cpu-16gb": {"machine_type": "e2-custom-8-16384", "nodes": 2},
    "4cpu-8gb": {"machine_type": "e2-custom-4-8192", "nodes": 4},
    "2cpu-4gb": {"machine_type": "e2-custom-2-4096", "nodes": 8},
    "local": {"machine_type": "e2-custom-2-4096", "nodes": 1, "platform": "local"},
}
_SEARCHES = ("8cpu-16gb", "8cpu-16gb", "4cpu-8gb", "4cpu-8gb", "2cpu-4gb", "2cpu-4gb", "2cpu-4gb", "local")
# Few enough that all readers take seconds, and so many that a search certainly meets its objective at its lowest rate.
_REQUESTS = 3_200


def write_nine_runs(folder: Path) -> tuple[Manifest, ...]:
    """Write the store; ids, times and rows are always the same."""
    store = ResultsStore(str(folder))
    runs = []
    for number, stack in enumerate(_SEARCHES, 1):
        shape = {**_SHAPES[stack], **_at(number)}
        manifest, rows = make_search(60 + number, number, requests=_REQUESTS, stack=stack, **shape)
        runs.append(_write(store, manifest, rows))
    loop = PROFILES["smoke"]
    assert isinstance(loop, ClosedLoop)
    closed = make_manifest(loop, "8cpu-16gb", **_SHAPES["8cpu-16gb"], **_at(len(runs) + 1))
    rows = make_rows(loop, Server(capacity_rps=30, service_ms=20, error_share=0.02))
    return (*runs, _write(store, closed, rows))


def _at(number: int) -> dict[str, Any]:
    at = STARTED_AT + timedelta(hours=number)
    ends = {"started_at": at, "finished_at": at + timedelta(minutes=6)}
    return {**ends, "run_id": f"01KD{number:022}", "deployment": f"d{number:011x}"}


def _write(store: ResultsStore, manifest: Manifest, rows: pa.Table) -> Manifest:
    half = rows.num_rows // 2
    samples = [
        {"at": STARTED_AT + timedelta(seconds=second), "subject": subject, "quantity": quantity, "value": value}
        for (subject, cores), second in product((("serving-0", 1.5), ("generator", 0.4)), range(12))
        for quantity, value in (("cpu_cores", cores), ("most_cores", 8.0), ("memory_bytes", 1.25e9))
    ]
    parts = [("w0", rows.slice(0, half)), ("w1", rows.slice(half))]
    return store.write_run(manifest, parts, pa.Table.from_pylist(samples, schema=SAMPLES_SCHEMA))
