"""Writes what the report shows as files for other programs: tables, rows, Markdown, and every chart as SVG and PNG."""

import re
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from markupsafe import Markup

from analysis.parallel import for_each
from analysis.report.charts.drawing import png, standalone
from analysis.report.collect import Findings, Run
from analysis.report.data_tables import flatten, run_row
from analysis.report.document import Document, document
from analysis.report.focus import focus_rows
from analysis.report.folders import new_folder
from analysis.report.render import fill
from analysis.report.seed import experiments
from analysis.results.run.columns import RowsError, rows_in_order
from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from analysis.results.storage.store import ResultsStore

# The last four are full-width forms, which some spreadsheets take for the others.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_FORMULA = f"^[{re.escape(''.join(_FORMULA_STARTS))}]"
_CSV = pa_csv.WriteOptions(quoting_style="needed")


def write_export(
    findings: Findings, folder: Path, rows_of: ResultsStore | None = None, *, seed: bool = False
) -> list[Path]:
    """Write a folder that must not exist yet; returns its files. With `rows_of` every run's rows are among them.

    `seed` adds the comparison with the published experiment, in Markdown and as a table. The folder appears under its
    name when it is whole. Raises FileExistsError, and OSError where it cannot be made.
    """
    with new_folder(folder) as half_written:
        _write(findings, half_written, rows_of, seed=seed)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _write(findings: Findings, folder: Path, rows_of: ResultsStore | None, *, seed: bool) -> None:
    report = document(findings, seed=seed)
    (folder / "report.md").write_text(fill("report.md", report, findings.store_uri), encoding="utf-8")
    _write_table(folder / "runs", [run_row(run.name, run.manifest, run.summary) for run in findings.runs])
    _write_table(folder / "costs", [row for run in findings.runs for row in focus_rows(run.manifest)])
    _write_table(folder / "ranking", [flatten(each.to_dict()) for each in findings.verdict.ranking])
    _write_table(folder / "skipped", [asdict(problem) for problem in findings.skipped])
    if seed:
        _write_table(folder / "seed", experiments(findings))
    (folder / "charts").mkdir()
    for_each(partial(_write_chart, folder / "charts"), list(_charts(report)))
    if rows_of is not None:
        (folder / "rows").mkdir()
        for run in findings.runs:
            if run.series:
                _write_rows(rows_of, run, folder / "rows")


def _write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write CSV and Parquet; nothing without rows, since then there are no columns."""
    if rows:
        table = pd.DataFrame(rows)
        table.map(_no_formula).to_csv(path.with_suffix(".csv"), index=False)
        table.to_parquet(path.with_suffix(".parquet"), index=False)


def _no_formula(value: object) -> object:
    """Text that a spreadsheet would compute, as the text that it is.

    Source: OWASP, "CSV Injection", https://owasp.org/www-community/attacks/CSV_Injection.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value


def _without_formulas(rows: pa.Table) -> pa.Table:
    """The same for all columns of text."""
    for at, field in enumerate(rows.schema):
        if pa.types.is_string(field.type):
            text = rows.column(at)
            quoted = pc.binary_join_element_wise("'", text, "")
            rows = rows.set_column(at, field, pc.if_else(pc.match_substring_regex(text, _FORMULA), quoted, text))
    return rows


def _charts(report: Document) -> Iterator[tuple[str, Markup]]:
    for section in report.sections:
        for chart in section.charts:
            if chart.svg:
                yield _file_name(chart.file or chart.title), chart.svg
    for page in report.pages:
        for chart in page.charts:
            if chart.svg:
                yield f"{page.run.manifest.run_id}-{_file_name(chart.file or chart.title)}", chart.svg


def _file_name(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def _write_chart(folder: Path, chart: tuple[str, Markup]) -> None:
    name, drawing = chart
    svg_file = standalone(drawing)
    (folder / f"{name}.svg").write_text(svg_file, encoding="utf-8")
    (folder / f"{name}.png").write_bytes(png(svg_file))


def _write_rows(store: ResultsStore, run: Run, folder: Path) -> None:
    """The columns of the results store, in the order of time, as CSV and as Parquet."""
    path = folder / run.manifest.run_id
    try:
        with (
            pa_csv.CSVWriter(path.with_suffix(".csv"), REQUESTS_SCHEMA, write_options=_CSV) as csv,
            pq.ParquetWriter(path.with_suffix(".parquet"), REQUESTS_SCHEMA, compression="zstd") as parquet,
        ):
            for rows in rows_in_order(store, run.manifest):
                csv.write(_without_formulas(rows))
                parquet.write(rows)
    except RowsError as error:
        raise OSError(
            f"the rows of run {run.manifest.run_id} cannot be read; export without --rows, or fix this: {error}"
        ) from error
