"""The chart of bills: what each shape costs a month at each load, in whole nodes."""

import math
from collections.abc import Sequence

import altair as alt
import pandas as pd
from markupsafe import Markup

from analysis.formatting import count, money, number
from analysis.planning.fleet.bills import Cheapest, Offer, cheapest
from analysis.report.charts.drawing import FIRST, FOURTH, INK, SECOND, THIRD, Chart, colours, legend_px, svg
from analysis.report.tables import Table

# More lines than colours would not be told apart; the others are in the table.
_SHADES = (FIRST, SECOND, THIRD, FOURTH)
_DASHES = ([1, 0], [7, 4], [2, 3], [10, 3, 2, 3])
# A sentence names at most this many variants with the same bill.
_NAMED = 3
# The table's loads, as shares of the largest one.
_LOADS = (0.05, 0.1, 0.2, 0.5, 1.0)


def bills_chart(offers: Sequence[Offer], most_rps: float) -> Chart:
    """The variants with the smallest bills at `most_rps`, up to four; each line steps up where a node is added."""
    drawn = sorted(offers, key=lambda offer: offer.bill(most_rps).usd_730h)[: len(_SHADES)]
    rest = f" The {len(drawn)} cheapest of {len(offers)} variants." if len(drawn) < len(offers) else ""
    changes = cheapest(offers, most_rps)
    what = f"Whole nodes, each with the lower end of its capacity{_terms(offers[0])}. Lower is cheaper.{rest}"
    rings = " Rings: where the cheapest changes." if len(changes) > 1 else ""
    return Chart(
        "Monthly bill by load",
        f"{what} {_changes(changes, most_rps)}{rings}",
        _draw(drawn, offers, changes, most_rps),
        "bills",
        finding=True,
    )


def bills_table(offers: Sequence[Offer], most_rps: float) -> Table:
    """The bill and the nodes of each variant at five loads; the smallest bill at each is marked."""
    loads = [share * most_rps for share in _LOADS]
    bills = [[offer.bill(rps) for rps in loads] for offer in offers]
    least_usd = [min(bill.usd_730h for bill in of_load) for of_load in zip(*bills, strict=True)]
    rows = (
        (
            offer.label,
            *(
                f"{'* ' if math.isclose(bill.usd_730h, usd) else ''}{money(bill.usd_730h)} ({count(bill.nodes)})"
                for bill, usd in zip(own, least_usd, strict=True)
            ),
        )
        for offer, own in zip(offers, bills, strict=True)
    )
    headings = [f"{number(rps)}/s" for rps in loads]
    return Table.of(
        "Monthly bill by load, USD (nodes)", ("variant",), headings, rows, "*: the smallest bill at this load."
    )


def _terms(offer: Offer) -> str:
    sizing = offer.sizing
    room = f", with {sizing.headroom:.0%} of headroom" if sizing.headroom else ""
    return room + (f", and enough without one of {sizing.zones} zones" if sizing.zones > 1 else "")


def _changes(changes: Sequence[Cheapest], most_rps: float) -> str:
    """Where the cheapest changes for the last time; below that it may change with every node."""
    *before, last = changes
    name, verb = (last.labels, "are") if last.also else (last.label, "is")
    names = last.at_times_also
    also = ", ".join(names) if len(names) <= _NAMED else f"{len(names)} others"
    at_times = f" {also}: the same bill at some loads." if names else ""
    if not before:
        return f"{name}{',' if last.also else ''} {verb} the cheapest at every load.{at_times}"
    below = f"{before[0].label} is" if len(before) == 1 else "the cheapest changes as nodes are added"
    loads = f"from {number(last.from_rps)} to {number(most_rps)} requests/s"
    return f"{name}{',' if last.also else ''} {verb} the cheapest {loads}; below that, {below}.{at_times}"


def _draw(drawn: Sequence[Offer], offers: Sequence[Offer], changes: Sequence[Cheapest], most_rps: float) -> Markup:
    names = [offer.label for offer in drawn]
    frame = pd.DataFrame(
        [
            {"variant": offer.label, "rps": rps, "usd": usd_730h}
            for offer in drawn
            for rps, usd_730h in _corners(offer, most_rps)
        ]
    )
    x = alt.X("rps:Q", title="requests per second", scale=alt.Scale(domain=[0, most_rps], nice=False))
    y = alt.Y("usd:Q", title="USD per 730 h")
    lines = (
        alt.Chart(frame)
        .mark_line(interpolate="step-before", strokeWidth=1.6)
        .encode(
            x=x,
            y=y,
            color=colours("variant", names, list(_SHADES[: len(drawn)])),
            # Lines of equal bills lie on each other: with gaps both are seen.
            strokeDash=alt.StrokeDash(
                "variant:N", scale=alt.Scale(domain=names, range=list(_DASHES[: len(drawn)])), legend=None
            ),
        )
    )
    by_label = {offer.label: offer for offer in offers}
    rings = pd.DataFrame(
        [
            {"rps": change.from_rps, "usd": by_label[change.label].bill(change.from_rps).usd_730h}
            for change in changes[1:]
        ],
        columns=["rps", "usd"],
    )
    marks = alt.Chart(rings).mark_point(color=INK, size=60, strokeWidth=1.4, opacity=1).encode(x=x, y=y)
    return svg(
        [lines, marks] if len(rings) else [lines],
        f"Monthly bill of {', '.join(names)} against the load, in steps of whole nodes;"
        f" {_changes(changes, most_rps)} The numbers are in a table below.",
        extra_px=legend_px(names),
    )


def _corners(offer: Offer, most_rps: float) -> list[tuple[float, float]]:
    """The end of each step, from a load of 0 on; a line of steps goes up just after each."""
    steps = [bill for bill in offer.steps(most_rps) if bill.rps]
    return [(0.0, steps[0].usd_730h), *((min(bill.rps, most_rps), bill.usd_730h) for bill in steps)]
