"""What the report says, in order: sections of charts and tables, then each run. The templates only lay it out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from analysis.formatting import MISSING, number, server_name, shape_name, variant_name
from analysis.parallel import for_each
from analysis.planning.fleet.offers import Terms, offers_of
from analysis.pricing import cost
from analysis.report import server_counters
from analysis.report.charts.bills import bills_chart, bills_table
from analysis.report.charts.breakdown import cost_chart, cost_table
from analysis.report.charts.drawing import Chart
from analysis.report.charts.growth import growths, levels_table
from analysis.report.charts.objectives import limits_chart, misses_chart
from analysis.report.charts.race import race_chart
from analysis.report.charts.ranking import ranking_charts
from analysis.report.charts.resource_usage import others_sentence, others_table, usage_table
from analysis.report.charts.run_charts import run_charts
from analysis.report.charts.series import Series
from analysis.report.collect import Findings, Run
from analysis.report.comparison import claims_table, cpus_table, effects_table, ranking_table
from analysis.report.headline import Headline, headline
from analysis.report.provenance import Facts, provenance
from analysis.report.run_tables import (
    REPEATS,
    REPEATS_EXPLAINED,
    evidence_table,
    figures_table,
    left_out_table,
    repeats_table,
    skipped_table,
)
from analysis.report.seed import NOTE, seed_claims, seed_table
from analysis.report.tables import Column, Table
from analysis.results.run.resource_usage import ResourceUsage
from analysis.statistics.figures import Shown
from analysis.statistics.summary import FIGURES, figures, requests_sentence
from analysis.verdict.at_one_load import cheapest
from analysis.verdict.claims import claims
from analysis.verdict.effects import effects
from analysis.verdict.text import goal_text

# Bills are drawn up to this multiple of the highest capacity.
_BILLED = 4
METHOD = """\
Each request is one row with its latency in microseconds. Figures are computed from all rows, without sampling, bins \
or rounding; quantiles interpolate linearly between the two nearest rows.
Figures are of the hold phase, in which the whole load is there, or of the step at the capacity of a capacity search. \
Warm-up and ramp are drawn, and no figure counts them.
Latency counts from when a request was due. In a closed loop that is when it was sent. In an open loop, a request that \
was delayed counts with its wait, and a request for which no user was free is an error: not_sent.
An answer is good if its status, shape and content were checked and are correct. Latency is of good answers only, \
because a refusal is quick and a time-out is set by the client. Read latency together with errors.
Good predictions per second are those that arrived between the first and the last request of the hold, divided by that \
time.
The capacity of a variant is the highest rate of independent arrivals (Poisson) at which the objective is kept in the \
long run; late, failed and unsent requests all count against it. It is the mean of the capacity searches over \
deployments; runs at a fixed rate bound it.
The ranking is by cost per million predictions at capacity: the hourly price divided by the predictions of an hour. \
The hourly price covers the serving nodes (vCPUs, memory, boot disks), the cluster fee, and on GKE the NAT gateway \
and the bucket, at on-demand list prices.
Intervals of capacity and cost are 95 % confidence intervals that cover requests, runs and deployments. Variants are \
compared with the best of the others all at once (Hsu's multiple comparisons with the best). The intervals do not \
cover other zones, days, models or prices.
The cost per million good predictions of a single run is at the load of its counted phase, and is not ranked.
24 h is what the published experiment calls a month; 730 h is a calendar month. – means not measured or not priced; it \
never means zero.\
""".splitlines()
# Only in a report on such runs.
_METHOD_OF_REQUESTS = """\
A prediction is the answer to one instance. Where a request has several, rates and capacities count requests, costs \
count predictions, and a million requests cost as many times more.\
"""


@dataclass(frozen=True)
class Fold:
    """Tables that the page shows on demand, under a title."""

    title: str
    tables: tuple[Table, ...]


@dataclass(frozen=True)
class Section:
    """A part of the report about several runs. The parts of the summary are printed, the others are on the page."""

    anchor: str
    title: str
    intro: str = ""
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    folds: tuple[Fold, ...] = ()
    is_summary: bool = False


@dataclass(frozen=True)
class RunPage:
    """The part of the report about one run. `sentences` are about its bottleneck, its nodes and server counters."""

    run: Run
    subtitle: str
    figures: tuple[tuple[str, str], ...]
    sentences: tuple[str, ...]
    charts: tuple[Chart, ...]
    folds: tuple[Fold, ...]
    facts: Facts


@dataclass(frozen=True)
class Document:
    """The whole report."""

    headline: Headline
    sections: tuple[Section, ...]
    pages: tuple[RunPage, ...]
    method: tuple[str, ...]
    origin: str


def document(findings: Findings, *, seed: bool = False, drawn: dict[str, RunPage] | None = None) -> Document:
    """What the report says of the findings.

    `drawn`: pages of an earlier report, by run id. They serve again where nothing of the run has changed, and new ones
    are added: drawing them takes most of a report's time.
    """
    several = any(run.manifest.serving.model.instances != 1 for run in findings.runs)
    runs = "1 finished run" if len(findings.runs) == 1 else f"{len(findings.runs)} finished runs"
    return Document(
        headline=headline(findings),
        sections=tuple(_sections(findings, seed=seed)),
        pages=_pages(findings.runs, {} if drawn is None else drawn),
        method=(*METHOD, *([_METHOD_OF_REQUESTS] if several else [])),
        origin=f"{runs}. Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def _sections(findings: Findings, *, seed: bool) -> Iterator[Section]:
    yield from _compared(findings)
    yield from _bills(findings)
    if drawn := growths(findings.ranked + findings.unranked):
        yield Section(
            "growth",
            "Latency against throughput",
            "One point per level of load in the rows: the warm-up, parts of the ramp, the hold, the steps of a capacity"
            " search, over all valid runs of a variant. Means of good answers, timed from when they were sent.",
            tuple(each.chart(number) for number, each in enumerate(drawn, 1)),
            folds=(Fold("Every level of load", (levels_table(drawn),)),),
        )
    if valid := findings.ranked + findings.unranked:
        evidence = (evidence_table(findings),) if findings.ranked else ()
        title = "Valid runs" if len(valid) > 1 else "The run"
        yield Section("runs", title, tables=(*evidence, figures_table(valid)))
    if seed:
        yield _reproduced(findings)
    if findings.repeats:
        yield Section("repeats", REPEATS, REPEATS_EXPLAINED, tables=(repeats_table(findings.repeats),))
    yield from _left_out(findings)


def _compared(findings: Findings) -> Iterator[Section]:
    verdict = findings.verdict
    ranking = verdict.ranking
    if not ranking:
        return
    intro = (
        f"The goal is {goal_text(verdict.objective)}. Variants that meet the objective come first, then those that may."
        f" Every server ran on {verdict.conditions['cpu']}."
    )
    searched = [each for each in ranking if each.capacity.mean]
    compare_items = len(searched) > 1
    at_other_loads = (
        misses_chart(ranking, findings.ranked, verdict.objective),
        limits_chart(ranking, findings.ranked, verdict.objective),
    )
    yield Section(
        "ranking",
        "Ranking",
        intro,
        (
            *(ranking_charts(ranking) if len(ranking) > 1 else ()),
            *filter(None, at_other_loads),
        ),
        tuple(filter(None, (ranking_table(ranking), cpus_table(ranking)))),
        is_summary=True,
    )
    if race := race_chart(ranking):
        yield Section("race", race.title, charts=(race,))
    if compare_items:
        folds = (Fold("Table of the line items", (cost_table(searched),)),)
        yield Section("items", "Cost by line item", charts=(cost_chart(searched),), folds=folds)
    if pairs := effects(ranking):
        yield Section(
            "factors",
            "Effect of each factor at capacity",
            "The claims of the published experiment, judged by all pairs of variants that differ in one factor only.",
            tables=(claims_table(claims(pairs)),),
            folds=(Fold("Every pair", (effects_table(pairs),)),),
        )


def _bills(findings: Findings) -> Iterator[Section]:
    """What each variant costs by load, up to four times the highest capacity that was measured."""
    verdict, curves = findings.verdict, {run.manifest.run_id: run.curve for run in findings.ranked}
    offers, _ = offers_of(verdict.ranking, verdict.objective, Terms(), lambda run: curves[run.run_id])
    if offers:
        most_rps = _BILLED * max(offer.ranked.capacity.rps.low for offer in offers)
        yield Section(
            "bills",
            "Your traffic",
            "What each variant costs a month at each load, by the low end of its capacity. The command shapebench plan"
            " adds headroom, zones and a number of clients.",
            (bills_chart(offers, most_rps),),
            folds=(Fold("Monthly bill by load", (bills_table(offers, most_rps),)),),
            is_summary=True,
        )


def _reproduced(findings: Findings) -> Section:
    """The published experiment at its load, and beside it what the capacities say of its claims."""
    reproduction, verdict = findings.reproduction, findings.verdict
    at_the_load = effects(reproduction)
    pairs = effects_table(at_the_load, "Effect of each factor at one load, by pair of variants")
    return Section(
        "seed",
        "Comparison with the published experiment",
        NOTE,
        tables=(
            seed_table(findings),
            claims_table(
                seed_claims(reproduction, cheapest(reproduction)), "All claims of the published experiment, at one load"
            ),
            claims_table(
                seed_claims(verdict.ranking, [each.label for each in verdict.best]),
                "All claims of the published experiment, at capacity",
            ),
        ),
        folds=(Fold("Every pair at one load", (pairs,)),) if at_the_load else (),
    )


def _left_out(findings: Findings) -> Iterator[Section]:
    for anchor, title, intro, runs in (
        ("unranked", "Valid runs that are not ranked", "", findings.unranked),
        (
            "invalid",
            "Invalid runs",
            "Something went wrong during these runs, so their figures cannot be compared and they are not ranked.",
            findings.invalid,
        ),
    ):
        if runs:
            yield Section(anchor, title, intro, tables=(left_out_table(title, runs, findings.verdict),))
    if findings.skipped:
        yield Section(
            "skipped",
            "Files skipped in the results store",
            "No figure counts these files. They are left as they are.",
            tables=(skipped_table(findings),),
        )


def _pages(runs: Sequence[Run], drawn: dict[str, RunPage]) -> tuple[RunPage, ...]:
    changed = [run for run in runs if not _serves(drawn.get(run.manifest.run_id), run)]
    drawn |= {page.run.manifest.run_id: page for page in for_each(_page, changed)}
    return tuple(drawn[run.manifest.run_id] for run in runs)


def _serves(page: RunPage | None, run: Run) -> bool:
    """Whether the page is of this run as it is now: its summary counts its rows, and names what is missing."""
    return page is not None and (page.run.name, page.run.manifest, page.run.summary) == (
        run.name,
        run.manifest,
        run.summary,
    )


def _page(run: Run) -> RunPage:
    manifest, usage = run.manifest, run.resource_usage
    return RunPage(
        run=run,
        subtitle=f"{shape_name(manifest)} · {variant_name(manifest)} · {server_name(manifest)}",
        figures=tuple(
            (figure.label_of(manifest), figure.show(getattr(run.summary, figure.name))) for figure in figures(Shown.RUN)
        ),
        sentences=tuple(
            filter(None, (requests_sentence(manifest, run.summary), *(_sentences(usage) if usage else ())))
        ),
        charts=run_charts(run),
        folds=tuple(_folds(run)),
        facts=provenance(run),
    )


def _sentences(usage: ResourceUsage) -> tuple[str, ...]:
    return usage.bottleneck.sentence, others_sentence(usage), " ".join(server_counters.sentences(usage.counted))


def _folds(run: Run) -> Iterator[Fold]:
    usage, series = run.resource_usage, run.series
    if usage and usage.counted:
        yield Fold("Server counters by replica", (server_counters.counters_table(run.name, usage.counted),))
    if usage and usage.others:
        yield Fold("Other programs by node", (others_table(run.name, usage),))
    yield Fold("Line items", (_line_items_table(run),))
    if series:
        used = (usage_table(run.name, usage),) if usage and len(usage.over_time) else ()
        by_users = Table.of(
            f"Throughput against users of {run.name}",
            ("users",),
            ("good, 1/s",),
            ((f"{row['users']:g}", number(row["goodput_rps"])) for row in series.by_users.to_dict("records")),
            f"{FIGURES['goodput_rps'].label_of(run.manifest).capitalize()} during the ramp.",
        )
        yield Fold("Data of the charts", (_latency_table(run, series), *used, by_users))


def _latency_table(run: Run, series: Series) -> Table:
    counts, latencies = ("second", "requests", "errors"), ("p50_ms", "p95_ms", "max_ms")
    return Table.of(
        f"Latency over time of {run.name}",
        ("from, s",),
        ("requests", "errors", "median, ms", "p95, ms", "slowest, ms"),
        (
            (*(str(row[name]) for name in counts), *(number(row[name]) for name in latencies))
            for row in series.over_time.to_dict("records")
        ),
        f"Latency of good answers by when they were due, in windows of {series.window_s} s.",
    )


def _line_items_table(run: Run) -> Table:
    priced = run.manifest.cost
    return Table(
        f"Line items of {run.name}",
        (
            *(Column(title, "text") for title in ("item", "SKU")),
            Column("quantity"),
            Column("unit", "text"),
            Column(f"unit price, {priced.currency}"),
            Column(f"{priced.currency}/h"),
        ),
        tuple(
            (
                item.name,
                item.sku or item.reason or cost.why_unpriced(priced),
                f"{item.quantity:g}",
                item.unit,
                MISSING if item.unit_price is None else f"{item.unit_price:.10g}",
                number(item.hourly),
            )
            for item in priced.line_items
        ),
        totals=tuple((each.name, each.counts, "", "", "", number(each.hourly)) for each in cost.sums(priced)),
    )
