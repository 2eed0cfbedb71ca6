"""CPU and memory of server, generator, machine and nodes during a run, and its bottleneck."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis.results.run.bottleneck import Bottleneck, CpuUse, bottleneck_of
from analysis.results.run.columns import RunRows
from analysis.results.run.counters import ServerCounters, read_server_counters
from analysis.results.schema.manifest import Manifest
from analysis.results.schema.samples import (
    CPU_CORES,
    GENERATOR,
    MACHINE,
    MEMORY_BYTES,
    MOST_CORES,
    OTHER_CPU_CORES,
    OTHER_MEMORY_BYTES,
    SERVER,
    STOLEN_CORES,
    THROTTLED_RATIO,
)
from analysis.results.schema.thresholds import GENERATOR_BUSY_CORES

# A sample is of the time since the one before. The first is of as long as usual; the generator takes one a second.
_USUAL_S = 1.0
_QUANTITIES = [
    CPU_CORES, MOST_CORES, MEMORY_BYTES, THROTTLED_RATIO, OTHER_CPU_CORES, OTHER_MEMORY_BYTES, STOLEN_CORES,
]  # fmt: skip


@dataclass(frozen=True)
class OtherPrograms:
    """What everything but the server used of a replica's node in the counted phase: mean cores, highest memory.

    `stolen_cores` is what the hypervisor gave to other machines meanwhile, which `cores` does not have; None where it
    was not sampled.
    """

    replica: str
    cores: float
    memory_bytes: float
    stolen_cores: float | None


@dataclass(frozen=True)
class ResourceUsage:
    """`over_time`: second, subject, cores, most_cores, memory_bytes (the highest), in windows of `window_s`.

    `subject` is server, generator or machine; `server` is the sum of all replicas, `generator` that of all its
    processes. There are no rows without samples. `uses` has the CPU of each subject in the counted phase. `others` has
    the replicas whose nodes were sampled. `counted` is None where the servers have no counters. `interval_s` is the
    usual time between two samples of a server; None without two.
    """

    over_time: pd.DataFrame
    window_s: int
    uses: Mapping[str, CpuUse]
    bottleneck: Bottleneck
    others: tuple[OtherPrograms, ...]
    counted: ServerCounters | None
    interval_s: float | None


def resource_usage_of(rows: RunRows, manifest: Manifest, window_s: int) -> ResourceUsage:
    """By the samples of a run; seconds count from when its first request was due."""
    first_us, last_us = rows.every.span_us or (0, 0)
    samples = _by_replica(rows.samples, first_us)
    within = _each_second(samples, (last_us - first_us) / 1e6)
    counted = within.iloc[:0]
    if span_us := rows.counted.span_us:
        from_s, to_s = ((edge_us - first_us) / 1e6 for edge_us in span_us)
        counted = within[within["middle_s"].between(from_s, to_s)]
    uses = {str(subject): _use(replicas) for subject, replicas in counted.groupby("subject")}
    serving = manifest.serving
    return ResourceUsage(
        over_time=_over_time(within, window_s),
        window_s=window_s,
        uses=uses,
        bottleneck=bottleneck_of(
            uses.get(SERVER), uses.get(GENERATOR), uses.get(MACHINE), serving.replicas * serving.busy_threads
        ),
        others=_others(counted),
        counted=read_server_counters(rows, rows.samples),
        interval_s=_interval_s(samples),
    )


def server_use_of(rows: RunRows) -> CpuUse | None:
    """The CPU of the servers from the first request to the last; None without samples of them."""
    first_us, last_us = rows.every.span_us or (0, 0)
    within = _each_second(_by_replica(rows.samples, first_us), (last_us - first_us) / 1e6)
    servers = within[within["subject"] == SERVER]
    return _use(servers) if len(servers) else None


def _by_replica(table: pa.Table, first_us: int) -> pd.DataFrame:
    """A row for each moment and subject, `at_s` after the first request was due, a column for each quantity."""
    samples = table.to_pandas().assign(at_us=table["at"].cast(pa.int64()).to_numpy())
    every = samples.pivot_table(index=["at_us", "subject"], columns="quantity", values="value")
    wide = every.reindex(columns=_QUANTITIES).reset_index()
    wide["at_s"] = (wide["at_us"] - first_us) / 1e6
    wide["replica"] = wide["subject"]
    wide.loc[wide["subject"].str.fullmatch(rf"{GENERATOR}-\d+"), "subject"] = GENERATOR
    wide.loc[~wide["subject"].isin([GENERATOR, MACHINE]), "subject"] = SERVER
    known: pd.DataFrame = wide.dropna(subset=[CPU_CORES, MOST_CORES])
    return known


def _each_second(samples: pd.DataFrame, end_s: float) -> pd.DataFrame:
    """A row for each second of the run, by its `middle_s`, and each replica with a sample of that second.

    Samples are of the time since the one before: one second for a process, several for a pod, and each replica has its
    own moments. Only figures of the same second can be added up.
    """
    seconds = pd.DataFrame({"middle_s": np.arange(0.5, end_s, 1.0)})
    covered = [samples.iloc[:0].assign(middle_s=0.0)]
    for _, own in samples.sort_values("at_s").groupby("replica"):
        lasted_s = own["at_s"].diff()
        usual_s = lasted_s.median() if len(own) > 1 else _USUAL_S
        since = own.assign(from_s=own["at_s"] - lasted_s.fillna(usual_s))
        next_one = pd.merge_asof(seconds, since, left_on="middle_s", right_on="at_s", direction="forward")
        covered.append(next_one[next_one["from_s"] <= next_one["middle_s"]].drop(columns="from_s"))
    return pd.concat(covered, ignore_index=True)


def _use(samples: pd.DataFrame) -> CpuUse:
    """Cores of all replicas together; busy share and throttled ratio of the worst one."""
    each = samples.groupby("replica")
    throttled, stolen = each[THROTTLED_RATIO].mean().max(), each[STOLEN_CORES].mean().max()
    return CpuUse(
        cores=float(each[CPU_CORES].mean().sum()),
        most_cores=float(each[MOST_CORES].mean().sum()),
        busy_share=float((samples[CPU_CORES] > GENERATOR_BUSY_CORES).groupby(samples["replica"]).mean().max()),
        throttled_ratio=None if pd.isna(throttled) else float(throttled),
        stolen_cores=0.0 if pd.isna(stolen) else float(stolen),
        replicas=len(each),
    )


def _others(samples: pd.DataFrame) -> tuple[OtherPrograms, ...]:
    known = samples.dropna(subset=[OTHER_CPU_CORES, OTHER_MEMORY_BYTES])
    programs = (known[OTHER_CPU_CORES] - known[STOLEN_CORES].fillna(0.0)).clip(lower=0.0)
    each = known.assign(programs=programs).groupby("replica")
    of_nodes = each.agg(cores=("programs", "mean"), memory=(OTHER_MEMORY_BYTES, "max"), stolen=(STOLEN_CORES, "mean"))
    return tuple(
        OtherPrograms(str(replica), float(cores), float(memory), None if pd.isna(stolen) else float(stolen))
        for replica, cores, memory, stolen in of_nodes.itertuples()
    )


def _interval_s(samples: pd.DataFrame) -> float | None:
    median_s = samples[samples["subject"] == SERVER].groupby("replica")["at_s"].diff().median()
    return None if pd.isna(median_s) else float(median_s)


def _over_time(samples: pd.DataFrame, window_s: int) -> pd.DataFrame:
    windows = samples.assign(second=samples["middle_s"] // window_s * window_s)
    of_replicas = windows.groupby(["second", "subject", "replica"], as_index=False).agg(
        cores=(CPU_CORES, "mean"), most_cores=(MOST_CORES, "mean"), memory_bytes=(MEMORY_BYTES, "max")
    )
    figures = ["cores", "most_cores", "memory_bytes"]
    # A machine has no resident memory: without min_count the sum of no values would be 0.
    return of_replicas.groupby(["second", "subject"], as_index=False)[figures].sum(min_count=1)
