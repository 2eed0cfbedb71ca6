"""Reads the generator's samples into an Arrow table."""

import re
from pathlib import Path

import pyarrow as pa

from analysis.results.schema.samples import SAMPLES_SCHEMA
from loadtest.generator.plan import COUNTERS_FILE, worker_name

_SAMPLE = re.compile(r"([1-9]\d{15}),([^,]+),([a-z_]+),(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


def read_all_samples(folder: Path, workers: int) -> pa.Table:
    """The samples of all workers, and the servers' counters, in SAMPLES_SCHEMA."""
    names = [*(f"{worker_name(worker)}.samples.csv" for worker in range(workers)), COUNTERS_FILE]
    return pa.concat_tables(read_samples(folder / name) for name in names)


def read_samples(path: Path) -> pa.Table:
    """In SAMPLES_SCHEMA; a file that does not exist has none. A line that is incomplete or not a sample is left out."""
    text = path.read_text(errors="replace") if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    samples = [match.groups() for line in whole.splitlines() if (match := _SAMPLE.fullmatch(line))]
    columns = {
        "at": [int(at_us) for at_us, *_ in samples],
        "subject": [subject for _, subject, *_ in samples],
        "quantity": [quantity for *_, quantity, _ in samples],
        "value": [float(value) for *_, value in samples],
    }
    return pa.Table.from_pydict(columns, schema=SAMPLES_SCHEMA)
