"""Writes the report: fills the HTML and the Markdown template with what was collected."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from analysis import formatting as text
from analysis.parallel import for_each
from analysis.pricing import cost
from analysis.report import counted
from analysis.report.charts import resource_usage as meanwhile
from analysis.report.charts import run_charts as charts
from analysis.report.charts.growth import growths
from analysis.report.charts.series import Series
from analysis.report.collect import Findings, Run
from analysis.report.comparison import compare, meets_in_words, ranking_row
from analysis.report.folder import make_folder, write_whole
from analysis.report.headline import headline
from analysis.report.provenance import provenance
from analysis.report.seed import seed_table
from analysis.report.spread import SPREAD_COLUMNS, SPREAD_EXPLAINED, SPREAD_TITLE, spread_rows
from analysis.verdict.text import objective_text
from stacks.load_profiles import ClosedLoop

_TEMPLATES = Path(__file__).parent / "templates"

METHOD = """\
Every request is a row with its latency in microseconds. Nothing is sampled, binned or rounded before a figure is \
computed; quantiles interpolate linearly between the two nearest rows.
Only the hold phase counts, when the whole load is there; of a capacity search, the step at the capacity. Warm-up and \
ramp are drawn, and counted nowhere.
Latency counts from when a request was due. In a closed loop that is when it was sent; in an open loop a request that \
a stall delayed counts with all of its wait, and one for which no client was free is an error, not_sent.
An answer is good if status, shape and content were checked and right. Latency is of good answers only: a refusal is \
quick, and how long a time-out takes is the client's choice. Read latency together with errors.
Good predictions a second are those that arrived between the first and the last request of the hold, divided by that \
time.
Cost per million good predictions is the cost of an hour divided by the good predictions of an hour. The hour holds \
the serving nodes (vCPUs, memory, boot disks) and the cluster fee, at list prices on demand.
Intervals are of 95 %: blocks of time drawn again within each run, and what repeats of a variant differ by. They cover \
what varied in these runs, and no other zone, day, model or price. Variants that the data cannot tell apart are tied.
24 h is what the published experiment calls a month; 730 h is a whole one. – means not measured or not priced; it \
never means zero.\
""".splitlines()


@dataclass(frozen=True)
class Chart:
    """A drawing with what stands above it."""

    title: str
    note: str
    svg: Markup


@dataclass(frozen=True)
class Page:
    """One run's part of the report."""

    run: Run
    charts: tuple[Chart, ...]
    sums: tuple[cost.Sum, ...]
    facts: tuple[tuple[str, str], ...]
    why_unpriced: str


def write_report(findings: Findings, folder: Path, *, seed: bool = False) -> tuple[Path, Path]:
    """Write `report.html` and `report.md` into `folder`, over older ones, and return both paths; raises OSError.

    `seed`: with the runs laid over the published experiment's.
    """
    content = contents(findings, seed=seed)
    make_folder(folder)
    written = []
    for name in ("report.html", "report.md"):
        path = folder / name
        write_whole(path, fill(name, content))
        written.append(path)
    return written[0], written[1]


def contents(findings: Findings, *, seed: bool = False) -> dict[str, Any]:
    """All that the templates show, by the names that they use."""
    return {
        "findings": findings,
        "headline": headline(findings),
        "comparison": compare(findings.judgement),
        "asked": objective_text(findings.judgement.objective),
        "growths": growths(findings.ranked + findings.unranked),
        "pages": for_each(_page, findings.runs),
        "method": METHOD,
        "seed": seed_table(findings) if seed else None,
        "counted_columns": counted.COLUMNS,
        "repeats": _repeats(findings),
        "written_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "style": Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8")),  # noqa: S704 - our own file
    }


def fill(name: str, content: dict[str, Any]) -> str:
    """The text of `report.html` or `report.md`."""
    return _environment().get_template(f"{name}.j2").render(content)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=jinja2.select_autoescape(("html.j2",)),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "number": text.number,
        "money": text.money,
        "percent": text.percent,
        "count": text.count,
        "cell": text.markdown_cell,
        "shape_name": text.shape_name,
        "variant_name": text.variant_name,
        "server_name": text.server_name,
        "meets": meets_in_words,
        "ranking_row": ranking_row,
        "meanwhile_rows": meanwhile.rows,
        "counted_sentences": counted.sentences,
        "counted_rows": counted.rows,
        "counted_caption": counted.caption,
    }
    return environment


@dataclass(frozen=True)
class Spreads:
    """The table of repeats with what stands around it."""

    title: str
    explained: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]]


def _repeats(findings: Findings) -> Spreads:
    names = {run.manifest.run_id: run.name for run in findings.runs}
    return Spreads(SPREAD_TITLE, SPREAD_EXPLAINED, SPREAD_COLUMNS, spread_rows(findings.repeats, names))


def _page(run: Run) -> Page:
    return Page(
        run=run,
        charts=tuple(_run_charts(run)),
        sums=tuple(cost.sums(run.manifest.cost)),
        facts=provenance(run),
        why_unpriced=cost.why_unpriced(run.manifest.cost),
    )


def _run_charts(run: Run) -> list[Chart]:
    by_item = Chart("Cost", "What an hour of the serving side is made of.", charts.cost_by_item(run))
    return [*_measured_charts(run, run.series), by_item] if run.series else [by_item]


def _measured_charts(run: Run, series: Series) -> list[Chart]:
    drawn = []
    if len(series.over_time):
        note = f"Good answers, in windows of {series.window_s} s. Shaded: warm-up and ramp, which count nowhere."
        red = " Red marks: windows with errors." if series.over_time["errors"].any() else ""
        drawn.append(Chart("Latency over time", note + red, charts.latency_over_time(run, series)))
        drawn += _meanwhile_charts(run, series)
    if len(series.heat):
        note = f"The stronger the colour, the more of the good answers of its {series.window_s} s."
        drawn.append(
            Chart("Latency heat map", f"{note} Lines: where a phase begins.", charts.latency_heat(run, series))
        )
    if len(series.distribution):
        note = f"{text.count(run.summary.good)} good answers of the hold phase."
        drawn.append(Chart("Latency distribution", note, charts.latency_distribution(run, series)))
    load = run.manifest.load
    if isinstance(load, ClosedLoop) and len(series.by_users):
        note = "On the way up, and in the hold."
        dashed = " Dashed: what the users would ask for if every answer came at once." if load.wait_s else ""
        drawn.append(Chart("Throughput against users", note + dashed, charts.throughput_by_users(run, load, series)))
    if capacity := run.manifest.capacity:
        note = "Every rate that was tried. Dashed: the objective. Shaded: where the capacity is."
        drawn.append(Chart("Latency against rate", note, charts.latency_by_rate(run, capacity)))
    return drawn


def _meanwhile_charts(run: Run, series: Series) -> list[Chart]:
    if run.meanwhile is None or not len(run.meanwhile.over_time):
        return []
    cores = meanwhile.cores_over_time(run.name, run.meanwhile, series)
    memory = meanwhile.memory_over_time(run.name, run.meanwhile, series)
    return [
        Chart("Cores in use", f"On the same time axis, on average over {series.window_s} s.", cores),
        Chart("Memory", "Resident, of a pod its working set; on the same time axis.", memory),
    ]
