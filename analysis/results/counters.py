"""What each replica says it did while a run was measured, by its own counters, beside what the generator saw."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from analysis.results import samples as names
from analysis.results.columns import Columns, RunRows
from analysis.results.store import NOT_SENT


@dataclass(frozen=True)
class Replica:
    """What one counted. Means are None where nothing was; those of batches also where it makes none.

    `latency_ms` is from a request's arrival to its answer inside the server, `runtime_ms` the part of it in TensorFlow,
    with the wait for a batch, `queued_ms` that wait; `requests_a_batch` is how many were answered at once.
    """

    name: str
    ok: int
    failed: int
    latency_ms: float | None
    runtime_ms: float | None
    queued_ms: float | None
    requests_a_batch: float | None


@dataclass(frozen=True)
class Counted:
    """`replicas`: from the first to the last reading in the phase that counts, or in the run where there are no two.

    `whole_run` says which. `outside_ms` is the mean latency, sent to last byte, of the good answers that came between
    the same two readings. `counted` is how many requests all replicas counted from the first reading to the last of
    all, and `sent` how many the generator sent.
    """

    replicas: tuple[Replica, ...]
    whole_run: bool
    outside_ms: float | None
    counted: int
    sent: int


def read_counted(rows: RunRows, samples: pa.Table) -> Counted | None:
    """From a run's samples beside its rows; None where no server has told what it counts."""
    readings = _readings(samples)
    whole = _replicas(readings)
    if not whole:
        return None
    span_us = rows.counted.span_us
    within = readings[readings["at_us"].between(*span_us)] if span_us else readings.iloc[:0]
    counted = _replicas(within)
    whole_run = len(counted) < len(whole)
    read_us = readings["at_us"] if whole_run else within["at_us"]
    return Counted(
        replicas=whole if whole_run else counted,
        whole_run=whole_run,
        outside_ms=_mean_ms(rows.every, int(read_us.min()), int(read_us.max())),
        counted=sum(replica.ok + replica.failed for replica in whole),
        sent=int((~rows.every.error.equal(NOT_SENT)).sum()),
    )


def _mean_ms(rows: Columns, from_us: int, to_us: int) -> float | None:
    """From being sent to the last byte, of the good answers that came in this time."""
    came = rows.where(rows.ok & (rows.end_us >= from_us) & (rows.end_us <= to_us))
    return float((came.end_us - came.start_us).mean()) / 1e3 if came.ok.size else None


def requests_by_replica(samples: pa.Table) -> dict[str, int]:
    """How many requests each replica counted in the whole run; empty where none told."""
    return {replica.name: replica.ok + replica.failed for replica in _replicas(_readings(samples))}


def _readings(samples: pa.Table) -> pd.DataFrame:
    """A row for each replica and reading, with all totals as columns; one that a server does not have is 0."""
    frame = samples.to_pandas().assign(at_us=samples["at"].cast(pa.int64()).to_numpy())
    totals = frame[frame["quantity"].isin(names.TOTALS)]
    wide = totals.pivot_table(index=["at_us", "subject"], columns="quantity", values="value")
    readings: pd.DataFrame = wide.reindex(columns=list(names.TOTALS)).fillna(0.0).reset_index()
    return readings


def _replicas(readings: pd.DataFrame) -> tuple[Replica, ...]:
    return tuple(_replicas_of(readings))


def _replicas_of(readings: pd.DataFrame) -> Iterator[Replica]:
    for name, own in readings.groupby("subject"):
        in_order = own.sort_values("at_us")[list(names.TOTALS)]
        more = in_order.iloc[-1] - in_order.iloc[0]
        if len(own) < 2 or (more < 0).any():
            continue  # one reading says nothing, and counters that fell are those of two processes
        yield Replica(
            name=str(name),
            ok=round(more[names.REQUESTS_OK]),
            failed=round(more[names.REQUESTS_FAILED]),
            latency_ms=_ratio(more[names.LATENCY_SUM_US] / 1e3, more[names.LATENCY_COUNT]),
            runtime_ms=_ratio(more[names.RUNTIME_SUM_US] / 1e3, more[names.RUNTIME_COUNT]),
            queued_ms=_ratio(more[names.QUEUED_SUM_US] / 1e3, more[names.QUEUED_COUNT]),
            requests_a_batch=_ratio(more[names.QUEUED_COUNT], more[names.BATCHES]),
        )


def _ratio(total: float, count: float) -> float | None:
    return float(total / count) if count else None
