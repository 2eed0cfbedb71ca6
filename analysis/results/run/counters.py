"""The servers' own counters during a run, beside what the generator measured."""

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from analysis.results.run.columns import RunRows
from analysis.results.schema import samples as names
from analysis.results.schema.request_rows import NOT_SENT


@dataclass(frozen=True)
class ReplicaCounters:
    """What one replica counted. A mean of nothing is None; so are the figures of batches without batching.

    `latency_ms` is the mean time of a request inside the server, `runtime_ms` the part of it in TensorFlow, including
    `queued_ms`, the wait for a batch. `requests_a_batch` is the mean size of a batch.
    """

    name: str
    ok: int
    failed: int
    latency_ms: float | None
    runtime_ms: float | None
    queued_ms: float | None
    requests_a_batch: float | None


@dataclass(frozen=True)
class ServerCounters:
    """`replicas` counted from the first to the last reading of the counted phase.

    Where that phase has fewer than two readings of each replica they are of the whole run, and `whole_run` is True.
    `outside_ms` is the mean latency, as the generator measured it, of the good answers between the same readings.
    `counted` is the number of requests that all replicas counted in the whole run, `sent` the number that were sent.
    """

    replicas: tuple[ReplicaCounters, ...]
    whole_run: bool
    outside_ms: float | None
    counted: int
    sent: int


def read_server_counters(rows: RunRows, samples: pa.Table) -> ServerCounters | None:
    """The counters in a run's samples; None where there are no two readings of any server."""
    readings = _readings(samples)
    whole = _replicas(readings)
    if not whole:
        return None
    span_us = rows.counted.span_us
    within = readings[readings["at_us"].between(*span_us)] if span_us else readings.iloc[:0]
    counted = _replicas(within)
    whole_run = len(counted) < len(whole)
    read_us = readings["at_us"] if whole_run else within["at_us"]
    every = rows.every
    came = every.where(every.ok & (every.end_us >= int(read_us.min())) & (every.end_us <= int(read_us.max())))
    return ServerCounters(
        replicas=whole if whole_run else counted,
        whole_run=whole_run,
        outside_ms=float((came.end_us - came.start_us).mean()) / 1e3 if came.ok.size else None,
        counted=sum(replica.ok + replica.failed for replica in whole),
        sent=int((~every.error.equal(NOT_SENT)).sum()),
    )


def requests_by_replica(samples: pa.Table) -> dict[str, int]:
    """How many requests each replica counted in the whole run; empty without counters."""
    return {replica.name: replica.ok + replica.failed for replica in _replicas(_readings(samples))}


def _readings(samples: pa.Table) -> pd.DataFrame:
    """A row for each replica and reading, a column for each counter; a counter that a server lacks is 0."""
    frame = samples.to_pandas().assign(at_us=samples["at"].cast(pa.int64()).to_numpy())
    totals = frame[frame["quantity"].isin(names.TOTALS)]
    wide = totals.pivot_table(index=["at_us", "subject"], columns="quantity", values="value")
    readings: pd.DataFrame = wide.reindex(columns=list(names.TOTALS)).fillna(0.0).reset_index()
    return readings


def _replicas(readings: pd.DataFrame) -> tuple[ReplicaCounters, ...]:
    found = []
    for name, own in readings.groupby("subject"):
        in_order = own.sort_values("at_us")[list(names.TOTALS)]
        more = in_order.iloc[-1] - in_order.iloc[0]
        if len(own) < 2 or (more < 0).any():
            continue  # one reading has no difference, and a counter that fell belongs to a new process
        counted = ReplicaCounters(
            name=str(name),
            ok=round(more[names.REQUESTS_OK]),
            failed=round(more[names.REQUESTS_FAILED]),
            latency_ms=_ratio(more[names.LATENCY_SUM_US] / 1e3, more[names.LATENCY_COUNT]),
            runtime_ms=_ratio(more[names.RUNTIME_SUM_US] / 1e3, more[names.RUNTIME_COUNT]),
            queued_ms=_ratio(more[names.QUEUED_SUM_US] / 1e3, more[names.QUEUED_COUNT]),
            requests_a_batch=_ratio(more[names.QUEUED_COUNT], more[names.BATCHES]),
        )
        found.append(counted)
    return tuple(found)


def _ratio(total: float, count: float) -> float | None:
    return float(total / count) if count else None
