"""Latency against throughput of each variant: every level of load that was measured, and the law fitted to them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import altair as alt
import pandas as pd
from markupsafe import Markup

from analysis.formatting import number, percent
from analysis.parallel import for_each
from analysis.planning.replica_model.curve import merged
from analysis.planning.replica_model.law_curve import CurvePoint, law_curve
from analysis.planning.replica_model.model import most_at_once
from analysis.planning.replica_model.scaling import Point, Scaling
from analysis.report.charts.drawing import FIRST, SECOND, Chart, colours, svg
from analysis.report.collect import Run
from analysis.report.tables import Table
from analysis.results.schema.manifest import Manifest
from analysis.statistics.summary import FIGURES
from analysis.verdict.variants import variants_of

# A law has a service time, a contention and a number at once, so it fits any three levels, right or wrong.
_FEWEST_LEVELS = 4
# A law with a larger error is not used beyond what was measured.
_MOST_ERROR = 0.1


@dataclass(frozen=True)
class Level:
    """One level of load, of all replicas together, and what the fitted law gives for it; None without a law.

    `concurrency` is the mean number of requests in the servers.
    """

    concurrency: float
    rps: float
    latency_ms: float
    law_rps: float | None
    law_ms: float | None


@dataclass(frozen=True)
class Growth:
    """A variant's levels from the lightest to the heaviest; `law` describes the law, or says why none is fitted."""

    label: str
    levels: tuple[Level, ...]
    law: str
    drawing: Markup | None

    def chart(self, place: int) -> Chart:
        """The drawing under the variant's name, with the law as its caption; `place` is its number in the report."""
        return Chart(self.label, self.law, self.drawing, f"throughput-latency-{place}-{self.label}", finding=True)


def growths(runs: Sequence[Run]) -> list[Growth]:
    by_id = {run.manifest.run_id: run for run in runs}
    variants = variants_of(run.manifest for run in runs)
    measured = [
        (variant.label, tuple(by_id[manifest.run_id] for manifest in variant.manifests)) for variant in variants
    ]
    return for_each(_growth, measured)


def levels_table(growths: Sequence[Growth]) -> Table:
    return Table.of(
        "Throughput and latency at every level of load",
        ("variant",),
        ("concurrency", "good, 1/s", "fitted, 1/s", "mean latency, ms", "fitted, ms"),
        (
            (growth.label, *map(number, (level.concurrency, level.rps, level.law_rps, level.latency_ms, level.law_ms)))
            for growth in growths
            for level in growth.levels
        ),
    )


def _growth(measured: tuple[str, tuple[Run, ...]]) -> Growth:
    label, runs = measured
    curves = [run.curve for run in runs if run.curve]
    curve = merged(curves) if curves else None
    points = curve.points if curve else ()
    manifest = runs[-1].manifest
    most, replicas = most_at_once(manifest), manifest.serving.replicas
    laws = curve.laws(most) if curve and len(points) >= _FEWEST_LEVELS else ()
    law = laws[0] if laws else None
    levels = tuple(_level(point, law, replicas) for point in points)
    text = _describe(law, levels, replicas) if law else _why_no_law(points)
    line = law_curve(law, points) if law else []
    return Growth(label, levels, text, _draw(label, levels, line, manifest) if levels else None)


def _level(point: Point, law: Scaling | None, replicas: int) -> Level:
    """Little's law gives the latency that goes with the law's throughput."""
    law_rps = law.rps(point.present) if law else None
    return Level(
        concurrency=point.in_system * replicas,
        rps=point.rps * replicas,
        latency_ms=point.latency_ms,
        law_rps=law_rps * replicas if law_rps else None,
        law_ms=point.in_system / law_rps * 1000 if law_rps else None,
    )


def _describe(law: Scaling, levels: Sequence[Level], replicas: int) -> str:
    fitted = (
        f"Scaling law of a replica: {number(law.alone_ms)} ms without load, at most {law.at_once} served at once,"
        f" contention {number(law.contention)}"
    )
    error = f"Throughput error {percent(law.error)} % (root mean square over {law.points} levels)"
    of_all = f" of all {replicas} replicas" if replicas > 1 else ""
    highest = f"Highest goodput measured{of_all}: {number(max(level.rps for level in levels))}/s"
    if law.error > _MOST_ERROR:
        return f"{fitted}. {error}, too large to extrapolate. {highest}."
    return f"{fitted}. {error}. {highest}; limit by the law: {number(law.limit_rps * replicas)}/s."


def _why_no_law(points: Sequence[Point]) -> str:
    if not points:
        return "No level of load has the 20 good answers that a mean latency needs."
    levels = "one level of load was" if len(points) == 1 else f"{len(points)} levels of load were"
    return (
        f"No law is fitted: {levels} measured, and a fit needs {_FEWEST_LEVELS} different ones. A slower or longer"
        " ramp, runs at other loads or a capacity search gives more."
    )


def _draw(label: str, levels: Sequence[Level], curve: Sequence[CurvePoint], run: Manifest) -> Markup:
    """Points, and the law as a line: `curve` is of one replica."""
    frame = pd.DataFrame([asdict(level) for level in levels])[["rps", "latency_ms"]]
    used = ["measured", *(["law"] if curve else [])]
    colour = colours("series", used, [FIRST, SECOND][: len(used)], symbol="circle")
    x_title, y_title = FIGURES["goodput_rps"].label_of(run), "mean latency, ms"
    layers = [
        alt.Chart(frame.assign(series="measured"))
        .mark_point(filled=True, size=45, opacity=0.9)
        .encode(x=alt.X("rps:Q", title=x_title), y=alt.Y("latency_ms:Q", title=y_title), color=colour)
    ]
    if curve:
        law = pd.DataFrame(
            [(each.in_system, each.rps * run.serving.replicas, each.latency_ms, "law") for each in curve],
            columns=["in_system", "rps", "latency_ms", "series"],
        )
        line = alt.Chart(law).mark_line(strokeDash=[5, 3], strokeWidth=1.6)
        layers.insert(0, line.encode(x="rps:Q", y="latency_ms:Q", color=colour, order="in_system:Q"))
    return svg(
        layers,
        f"Mean latency of {label} against its throughput at {len(levels)} levels of load"
        f"{', with the fitted law as a line' if curve else ''}; the numbers are in a table below.",
    )
