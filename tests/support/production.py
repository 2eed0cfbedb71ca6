"""Results stores from which a fleet can be taken into production: capacity searches with samples of the servers."""

from collections.abc import Mapping
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa

from analysis.results.schema.manifest import Manifest
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import STARTED_AT, make_search, write_run

_SAMPLED_S = 1200


def write_search(
    store: ResultsStore,
    capacity_rps: float,
    cores: float | None = 6.0,
    serving: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Manifest:
    """A run whose replicas use so many cores each all the time; None for a run without samples."""
    manifest, rows = make_search(capacity_rps, **changes)
    settings = {"grpc_threads": 1024, "rest_threads": 32} | dict(serving or {})
    manifest = manifest.model_copy(update={"serving": manifest.serving.model_copy(update=settings)})
    return write_run(store, manifest, rows, None if cores is None else _samples(manifest, cores))


def production_store(folder: Path) -> str:
    """Searches on GKE. The first is the cheapest; the others have its machine type, a larger one, and a smaller one."""
    store = ResultsStore(str(folder))
    write_search(store, 40, serving={"inter_op": 8})
    write_search(store, 24)
    write_search(store, 38, stack="8cpu-64gb", machine_type="e2-custom-8-65536")
    write_search(store, 20, cores=3.0, stack="4cpu-8gb", machine_type="e2-custom-4-8192", nodes=4)
    return store.uri


def _samples(manifest: Manifest, cores: float) -> pa.Table:
    quantities = (("cpu_cores", cores), ("most_cores", float(manifest.shape.vcpus)), ("memory_bytes", 1e9))
    subjects = [f"serving-{number}" for number in range(manifest.serving.replicas)]
    return pa.Table.from_pylist(
        [
            {"at": STARTED_AT + timedelta(seconds=second), "subject": subject, "quantity": quantity, "value": value}
            for second, subject, (quantity, value) in product(range(_SAMPLED_S), subjects, quantities)
        ],
        schema=SAMPLES_SCHEMA,
    )
