"""Stores and rows that the tests of reading share."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from analysis.report.charts import drawing
from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import STARTED_AT


@pytest.fixture(autouse=True)
def every_drawing_is_compared_with_altairs_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawing.schemapi, "DEBUG_MODE", True)


@pytest.fixture
def store(tmp_path: Path) -> ResultsStore:
    (tmp_path / "results").mkdir()
    return ResultsStore(str(tmp_path / "results"))


def row(
    at_s: float, latency_ms: float = 100.0, phase: str = "hold", *, ok: bool = True, **changes: Any
) -> dict[str, Any]:
    """One request sent `at_s` after the run's start."""
    start = STARTED_AT + timedelta(seconds=at_s)
    return {
        "intended_start": start,
        "start": start,
        "latency_us": round(latency_ms * 1000),
        "phase": phase,
        "ok": ok,
        "status": 200 if ok else 503,
        "error": None if ok else "unavailable",
        "request_bytes": 790_000,
        "response_bytes": 11_500,
        "worker": "w0",
        "backend": None,
    } | changes


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=REQUESTS_SCHEMA)


@pytest.fixture(name="row")
def _row() -> Any:
    return row


@pytest.fixture(name="table")
def _table() -> Any:
    return table
