"""Rows of a run, from simulated phases."""

import numpy as np

from analysis.planning.simulation.events import Simulated
from analysis.results.run.columns import Columns
from bench.stores.synthetic import make_columns


def rows_of(phases: dict[str, Simulated]) -> Columns:
    """In another order than that of time, as the files of several generators have it."""
    began_s, start_us, latency_us, ok, names = 0.0, [], [], [], []
    for phase, run in phases.items():
        start_us.append(((run.start_s + began_s) * 1e6).astype("int64"))
        latency_us.append((run.latency_s * 1e6).astype("int64"))
        ok.append(np.ones(run.start_s.size, dtype=bool))
        names += [phase] * run.start_s.size
        began_s += run.duration_s + 60
    starts_us = np.concatenate(start_us)
    rows = make_columns(starts_us, starts_us + np.concatenate(latency_us), np.concatenate(ok), names)
    return rows.where(np.random.default_rng(5).permutation(starts_us.size))
