from datetime import UTC, datetime

import numpy as np
import pytest

from analysis.results.schema.samples import SAMPLES_SCHEMA
from bench import protocols
from bench.stores.synthetic import request_rows
from loadtest.result.outcome import LoadTestOutcome


def outcome(*, failed: int, reasons: tuple[str, ...]) -> LoadTestOutcome:
    """The outcome of 100 requests in 10 s, of which some failed."""
    start_us = np.linspace(0, 10e6, 100, dtype=np.int64)
    rows = request_rows(start_us, np.full(100, 2000), "hold", np.arange(100) >= failed)
    now = datetime.now(UTC)
    return LoadTestOutcome(
        rows=rows,
        samples=SAMPLES_SCHEMA.empty_table(),
        started_at=now,
        finished_at=now,
        processes=1,
        counted_requests=100,
        cpu_peak_percent=99.0,
        locust_version="2.0",
        machine={},
        deployment=None,
        seed=None,
        capacity=None,
        faults=reasons,
        unsettled=(),
    )


def test_a_turn_is_measured_though_the_generator_used_its_whole_core(monkeypatch: pytest.MonkeyPatch) -> None:
    at_ceiling = outcome(failed=0, reasons=("the load generator used more than 90 % of its core",))
    monkeypatch.setattr(protocols, "load_test", lambda *_: at_ceiling)
    assert protocols._turn("rest", "http://unused", b"", 1.0) == protocols.Turn(10.0, 2.0, 99.0)


def test_a_turn_with_failed_requests_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocols, "load_test", lambda *_: outcome(failed=3, reasons=()))
    with pytest.raises(RuntimeError, match="3 of 100 grpc requests failed, so the rates mean nothing"):
        protocols._turn("grpc", "grpc://unused", b"", 1.0)
