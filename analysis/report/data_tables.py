"""The runs of a store as a table for other programs: a column for each value, at full precision."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.comparability import comparison_group, cpus
from analysis.formatting import run_name
from analysis.results.schema.manifest import Computation, Manifest
from analysis.results.storage.store import ResultsStore
from analysis.statistics.summary import RunSummary, summarise

# Their keys differ from run to run, so each is one column of JSON.
_AS_JSON = {"rows_by_phase", "errors", "batching"}


def runs_frame(store: ResultsStore, manifests: Sequence[Manifest]) -> pd.DataFrame:
    """Read runs and return a row for each; `started_at` is a time in UTC."""
    table = pd.DataFrame([run_row(run_name(manifest), manifest, summarise(store, manifest)) for manifest in manifests])
    return table.assign(started_at=pd.to_datetime(table["started_at"], utc=True)) if len(table) else table


def run_row(name: str, manifest: Manifest, summary: RunSummary) -> dict[str, Any]:
    """One run's figures and settings by column name; what could not be measured or priced is None."""
    origin = {
        "name": name,
        "platform": manifest.platform,
        "started_at": manifest.started_at.isoformat(),
        "git_commit": manifest.git_commit,
        "prices_as_of": manifest.cost.prices_as_of,
        "cpu": cpus(manifest),
        "comparison_group": comparison_group(manifest),
        "deployment": manifest.deployment,
    }
    settings = {
        "shape": manifest.shape.model_dump(),
        "serving": manifest.serving.model_dump() | {"computation": _computation(manifest.serving.computation)},
        "load": manifest.load.model_dump(),
        "generator": manifest.generator.model_dump(),
        "replicas": [replica.model_dump() for replica in manifest.replicas],
    }
    return flatten(origin | summary.to_dict() | settings)


def _computation(computation: Computation | None) -> dict[str, object]:
    """With the same columns where there is none."""
    return computation.model_dump() if computation else dict.fromkeys(Computation.model_fields)


def flatten(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """One column for each value, `shape.nodes` for one of a group; lists are JSON."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict) and name not in _AS_JSON:
            flat |= flatten(value, f"{prefix}{name}.")
        elif isinstance(value, dict | list | tuple):
            flat[prefix + name] = json.dumps(value, ensure_ascii=False)
        else:
            flat[prefix + name] = value
    return flat
