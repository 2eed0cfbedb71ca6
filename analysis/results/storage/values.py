"""What is wrong with values of rows and samples that another program wrote, of which a digest says nothing."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from analysis.results.schema.plain_text import is_plain
from analysis.results.storage.layout import RESTORE

# Of one column of labels, such as `phase`: each is a line of a table or a colour of a chart.
_MOST_LABELS = 1000
_DAY_US = 86_400 * 10**6
# A load test takes a day at most (stacks/load/load_profiles.py), and its warm-up an hour.
_MOST_US = 2 * _DAY_US
# 2000 and 2200: every table and chart can show these times.
_EARLIEST_US, _LATEST_US = 10_957 * _DAY_US, 84_006 * _DAY_US


def why_no_rows(rows: pa.Table) -> str | None:
    """Of rows, or of some of their columns; None where their values are those of a load test."""
    times = {name: rows[name].cast(pa.int64()) for name in ("intended_start", "start")}
    latencies = {"latency_us": (rows["latency_us"], 0, _MOST_US)}
    why = _why_wrong(rows, {name: (each, _EARLIEST_US, _LATEST_US) for name, each in times.items()} | latencies)
    if why or not rows.num_rows:
        return why
    ends = [pc.min_max(each).as_py() for each in times.values()]
    span_us = max(each["max"] for each in ends) - min(each["min"] for each in ends)
    return f"has rows that are {span_us / _DAY_US:,.0f} days apart; {RESTORE}" if span_us > _MOST_US else None


def why_no_samples(samples: pa.Table) -> str | None:
    """The same of samples."""
    why = _why_wrong(samples, {"at": (samples["at"].cast(pa.int64()), _EARLIEST_US, _LATEST_US)})
    if why is None and not pc.all(pc.is_finite(samples["value"]), min_count=0).as_py():
        return f"has a value that is not a number; {RESTORE}"
    return why


def _why_wrong(table: pa.Table, ranges: Mapping[str, tuple[pa.ChunkedArray, int, int]]) -> str | None:
    for field in table.schema:
        if (pa.types.is_dictionary(field.type) or pa.types.is_string(field.type)) and (
            why := _why_no_labels(field.name, table[field.name])
        ):
            return why
    for name, (column, least, most) in ranges.items():
        found = pc.min_max(column).as_py()
        if table.num_rows and not least <= found["min"] <= found["max"] <= most:
            return f"is out of range: {name} is from {found['min']:,} to {found['max']:,} µs; {RESTORE}"
    return None


def _why_no_labels(name: str, column: pa.ChunkedArray) -> str | None:
    labels = pc.unique(column)
    if len(labels) > _MOST_LABELS:
        return f"has {len(labels):,} different values of {name}, and a run has {_MOST_LABELS:,} at most; {RESTORE}"
    if any(label is not None and not is_plain(label) for label in labels.to_pylist()):
        return f"has control characters, or more than one line, in a value of {name}; {RESTORE}"
    return None
