"""Writes what the report shows as files for other programs: tables, rows, Markdown, and every chart as SVG and PNG."""

import re
import secrets
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from analysis.parallel import for_each
from analysis.report.charts.still import png, standalone
from analysis.report.collect import Findings, Run
from analysis.report.comparison import Comparison
from analysis.report.data_tables import flatten, run_row
from analysis.report.folder import make_folder
from analysis.report.render import contents, fill
from analysis.report.seed import experiments
from analysis.results.columns import RowsError, rows_in_order
from analysis.results.store import REQUESTS_SCHEMA, ResultsStore

_CSV = pa_csv.WriteOptions(quoting_style="needed")


def write_export(
    findings: Findings, folder: Path, rows_of: ResultsStore | None = None, *, seed: bool = False
) -> list[Path]:
    """Write a folder that must not exist yet; returns its files. With `rows_of` every run's rows are among them.

    `seed`: with the runs laid over the published experiment's, in Markdown and as a table.
    It appears under its name only when it is whole. Raises FileExistsError, and OSError where it cannot be made.
    """
    if folder.exists() or folder.is_symlink():
        raise FileExistsError(
            f"{folder} exists, and an export overwrites nothing; remove it, or name a folder that does not exist yet"
        )
    make_folder(folder.parent)
    half_written = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.half-written")
    half_written.mkdir()
    try:
        _write(findings, half_written, rows_of, seed=seed)
        half_written.rename(folder)
    finally:
        shutil.rmtree(half_written, ignore_errors=True)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _write(findings: Findings, folder: Path, rows_of: ResultsStore | None, *, seed: bool) -> None:
    content = contents(findings, seed=seed)
    (folder / "report.md").write_text(fill("report.md", content), encoding="utf-8")
    _write_table(folder / "runs", [run_row(run.name, run.manifest, run.summary) for run in findings.runs])
    comparison: Comparison = content["comparison"]
    _write_table(
        folder / "ranking",
        [
            flatten(each.to_dict() | ({"front": comparison.front[each.label].value} if comparison.front else {}))
            for each in findings.judgement.ranking
        ],
    )
    if seed:
        _write_table(folder / "seed", experiments(findings))
    (folder / "charts").mkdir()
    for_each(partial(_write_chart, folder / "charts"), list(_charts(content)))
    if rows_of is not None:
        (folder / "rows").mkdir()
        for run in findings.runs:
            _write_rows(rows_of, run, folder / "rows")


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """As CSV and as Parquet; nothing where there is no row, since then there are no columns either."""
    if rows:
        table = pd.DataFrame(rows)
        table.to_csv(path.with_suffix(".csv"), index=False)
        table.to_parquet(path.with_suffix(".parquet"), index=False)


def _charts(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The name of each drawing's files, and the drawing."""
    comparison: Comparison = content["comparison"]
    compared = {
        "cost": comparison.cost,
        "p99": comparison.p99,
        "cost-against-latency": comparison.tradeoff,
        "cost-by-item": comparison.breakdown.drawing if comparison.breakdown else None,
    }
    for name, drawing in compared.items():
        if drawing:
            yield f"ranking-{name}", drawing
    for number, growth in enumerate(content["growths"], 1):
        if growth.drawing:
            yield f"throughput-latency-{number}-{_file_name(growth.label)}", growth.drawing
    for page in content["pages"]:
        for chart in page.charts:
            yield f"{page.run.manifest.run_id}-{_file_name(chart.title)}", chart.svg


def _file_name(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _write_chart(folder: Path, chart: tuple[str, str]) -> None:
    name, drawing = chart
    still = standalone(drawing)
    (folder / f"{name}.svg").write_text(still, encoding="utf-8")
    (folder / f"{name}.png").write_bytes(png(still))


def _write_rows(store: ResultsStore, run: Run, folder: Path) -> None:
    """The columns of the results store, in the order of time, as CSV and as Parquet."""
    path = folder / run.manifest.run_id
    try:
        with (
            pa_csv.CSVWriter(path.with_suffix(".csv"), REQUESTS_SCHEMA, write_options=_CSV) as csv,
            pq.ParquetWriter(path.with_suffix(".parquet"), REQUESTS_SCHEMA, compression="zstd") as parquet,
        ):
            for rows in rows_in_order(store, run.manifest):
                csv.write(rows)
                parquet.write(rows)
    except RowsError as error:
        raise OSError(
            f"the rows of run {run.manifest.run_id} cannot be read: {error}; export without --rows, or restore them"
        ) from error
