"""The chart of bills: what each shape costs a month at each load, in whole nodes."""

from collections.abc import Sequence

import altair as alt
import pandas as pd
from markupsafe import Markup

from analysis.formatting import count, money, number
from analysis.planning.bills import Offer, cheapest
from analysis.report.charts.drawing import FIRST, FOURTH, SECOND, THIRD, Chart, colours, svg
from analysis.report.tables import Table

# More lines than colours would not be told apart; the others are in the table.
_SHADES = (FIRST, SECOND, THIRD, FOURTH)
# The table's loads, as shares of the largest one.
_LOADS = (0.05, 0.1, 0.2, 0.5, 1.0)


def bills_chart(offers: Sequence[Offer], most_rps: float) -> Chart:
    """The variants with the smallest bills at `most_rps`, up to four; each line steps up where a node is added."""
    drawn = sorted(offers, key=lambda offer: offer.bill(most_rps).usd_730h)[: len(_SHADES)]
    rest = f" The {len(drawn)} cheapest of {len(offers)} variants." if len(drawn) < len(offers) else ""
    what = f"Whole nodes, each with the lower end of its capacity{_terms(offers[0])}. Lower is cheaper.{rest}"
    return Chart(
        "Monthly bill by load",
        f"{what} {_changes(offers, most_rps)}",
        _draw(drawn, most_rps),
        "bills",
        finding=True,
    )


def bills_table(offers: Sequence[Offer], most_rps: float) -> Table:
    """The bill and the nodes of each variant at five loads."""
    loads = [share * most_rps for share in _LOADS]
    rows = []
    for offer in offers:
        bills = [offer.bill(rps) for rps in loads]
        rows.append((offer.label, *(f"{money(bill.usd_730h)} ({count(bill.nodes)})" for bill in bills)))
    return Table.of("Monthly bill by load, USD (nodes)", ("variant",), [f"{number(rps)}/s" for rps in loads], rows)


def _terms(offer: Offer) -> str:
    sizing = offer.sizing
    room = f", with {sizing.headroom:.0%} of headroom" if sizing.headroom else ""
    return room + (f", and enough without one of {sizing.zones} zones" if sizing.zones > 1 else "")


def _changes(offers: Sequence[Offer], most_rps: float) -> str:
    """Where the cheapest changes for the last time; below that it may change with every node."""
    *before, last = cheapest(offers, most_rps)
    if not before:
        return f"{last.label} is the cheapest at every load."
    below = f"{before[0].label} is" if len(before) == 1 else "the cheapest changes as nodes are added"
    loads = f"from {number(last.from_rps)} to {number(most_rps)} requests/s"
    return f"{last.label} is the cheapest {loads}; below that, {below}."


def _draw(offers: Sequence[Offer], most_rps: float) -> Markup:
    frame = pd.DataFrame(
        [
            {"variant": offer.label, "rps": rps, "usd": usd_730h}
            for offer in offers
            for rps, usd_730h in _corners(offer, most_rps)
        ]
    )
    lines = (
        alt.Chart(frame)
        .mark_line(interpolate="step-before", strokeWidth=1.6)
        .encode(
            x=alt.X("rps:Q", title="requests per second", scale=alt.Scale(domain=[0, most_rps], nice=False)),
            y=alt.Y("usd:Q", title="USD per 730 h"),
            color=colours("variant", [offer.label for offer in offers], list(_SHADES[: len(offers)])),
        )
    )
    return svg(
        [lines],
        f"Monthly bill of {', '.join(offer.label for offer in offers)} against the load, in steps of whole nodes;"
        f" {_changes(offers, most_rps)} The numbers are in a table below.",
    )


def _corners(offer: Offer, most_rps: float) -> list[tuple[float, float]]:
    """The end of each step, from a load of 0 on; a line of steps goes up just after each."""
    steps = [bill for bill in offer.steps(most_rps) if bill.rps]
    return [(0.0, steps[0].usd_730h), *((min(bill.rps, most_rps), bill.usd_730h) for bill in steps)]
