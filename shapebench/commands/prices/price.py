"""`shapebench price`: the cost of node shapes, by line item for one and side by side for several."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import ValidationError

from analysis.formatting import MISSING, money, number
from analysis.pricing import ON_DEMAND, Usage, cost
from analysis.pricing.notes import price_notes
from analysis.pricing.snapshot import newest_snapshot
from analysis.pricing.stack_cost import kept_cost, load_cost, run_usd
from analysis.report.tables import Column, Table
from analysis.results.schema.manifest import Cost
from loadtest.run.saved_model import uploaded_bytes_of
from shapebench.output import CommandError, note, print_json, print_table
from stacks.explain import SettingsError, first_line
from stacks.files import load_settings, stack_names
from stacks.machines.machine_series import runnable
from stacks.machines.shapes import NodeShape, ShapeSettings
from stacks.settings import Settings
from tools.pins import ROOT

# The columns that the table of stacks can do without. vCPUs and memory of a node are in its machine type.
_DISPENSABLE = ("memory, GB", "vCPUs", "test, USD/h", "USD/h")
_SHAPE = re.compile(r"(?P<nodes>[1-9][0-9]?)x(?P<machine_type>[a-z0-9-]+)")


@dataclass(frozen=True)
class Priced:
    """A shape and its on-demand cost; `settings` are those of its stack, if it has one.

    `uploaded_bytes` are those of the model that it stores.
    """

    shape: NodeShape
    cost: Cost
    settings: Settings | None = None
    uploaded_bytes: int = 0

    @property
    def platform(self) -> str:
        return self.settings.platform if self.settings else ""

    @property
    def stands_in(self) -> bool:
        return self.platform == "local"

    @property
    def test(self) -> Cost | None:
        """The cost of the load test's own nodes, where the stack has some."""
        if self.settings is None or self.platform != "gke":
            return None
        return load_cost(self.settings.load_shape, self.cost.region)

    @property
    def run_usd(self) -> float | None:
        """The total cost during one load test; None where a price is unknown or the stack creates nothing for it."""
        if self.settings is None or self.test is None:
            return None
        return run_usd(self.cost, self.test, self.settings.load.total_s)


def print_prices(stacks: list[str], shape: str | None, region: str | None, *, as_json: bool) -> None:
    if shape is not None and stacks:
        raise CommandError("--shape and --stack exclude each other, so nothing was priced; give one of them")
    if shape is not None:
        node_shape = parse_shape(shape)
        priced = [Priced(node_shape, cost.estimate(node_shape, region or cost.DEFAULT_REGION))]
    elif stacks:
        priced = [_price_stack(stack, region) for stack in stacks]
    else:
        priced = _price_all(region)
    require_prices(priced)
    if as_json:
        print_json([_json(one) for one in priced])
    elif len(priced) == 1:
        _print_line_items(priced[0])
    else:
        _print_side_by_side(priced)


def parse_shape(text: str) -> NodeShape:
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise CommandError(f"--shape {text} is not <nodes>x<machine type>; give one such as 2xe2-custom-8-16384")
    runnable(match["machine_type"])  # raises a one-line error for a type that no stack can have
    try:
        settings = ShapeSettings(machine_type=match["machine_type"], nodes=int(match["nodes"]))
    except ValidationError:
        raise CommandError(
            f"--shape {text} has {match['nodes']} nodes, but a stack has 1 to 64; give so many"
        ) from None
    return NodeShape.of(text, settings)


def require_prices(priced: Sequence[Priced]) -> None:
    """Raise CommandError where a region has no price at all: a sum of nothing would read as free."""
    for one in priced:
        if all(item.unit_price is None for item in one.cost.line_items):
            known = newest_snapshot()
            raise CommandError(
                f"{known.name} of {known.as_of} has no price in {one.cost.region}, so {one.shape.name} cannot be"
                f" priced; choose one of its regions ({', '.join(known.regions)}), or fetch today's prices with"
                " `shapebench price --refresh`"
            )


def _price_stack(stack: str, region: str | None) -> Priced:
    settings = load_settings(stack)
    shape, uploaded_bytes = settings.node_shape(stack), uploaded_bytes_of(settings, ROOT)
    kept = kept_cost(settings.platform, shape, region or settings.region, uploaded_bytes)
    return Priced(shape, kept, settings, uploaded_bytes)


def _price_all(region: str | None) -> list[Priced]:
    """Price every stack with a valid file, and name the others: one broken file must not hide the rest."""
    priced = []
    for stack in stack_names():
        try:
            priced.append(_price_stack(stack, region))
        except SettingsError as error:
            note(f"skipped: stack {stack}: {first_line(error)}")
    return priced


def _print_side_by_side(priced: list[Priced]) -> None:
    ways: tuple[Usage, ...] = ("spot", "commit-1y", "commit-3y")
    costs = {
        usage: [kept_cost(one.platform, one.shape, one.cost.region, one.uploaded_bytes, usage=usage) for one in priced]
        for usage in ways
    }
    # A way to buy that is priced for some of them compares nothing.
    others = {
        usage: found for usage, found in costs.items() if all(alternative.hourly is not None for alternative in found)
    }
    numbers = (
        "vCPUs",
        "memory, GB",
        "USD/h",
        "nodes only, USD/24 h",
        "all, USD/24 h",
        "all, USD/730 h",
        "test, USD/h",
        *(f"all, {usage}, USD/730 h" for usage in others),
    )
    rows = [
        (
            one.shape.name,
            f"{one.shape.nodes} × {one.shape.machine_type}",
            str(one.shape.nodes * one.shape.vcpus),
            f"{one.shape.nodes * one.shape.memory_gb:g}",
            number(one.cost.hourly),
            money(cost.times(cost.nodes_hourly(one.cost), cost.HOURS_A_DAY)),
            _total(one.cost, cost.HOURS_A_DAY),
            _total(one.cost, cost.HOURS_A_MONTH),
            number(one.test.hourly) if one.test else MISSING,
            *(money(cost.times(one_other.hourly, cost.HOURS_A_MONTH)) for one_other in bought),
        )
        for one, bought in zip(
            priced, zip(*others.values(), strict=True) if others else [()] * len(priced), strict=True
        )
    ]
    print_table(Table.of("Prices", ("stack", "shape"), numbers, rows), dispensable=_DISPENSABLE)
    note(
        "\nnodes only: vCPUs and memory, as the published experiment compares shapes. all: with disks, cluster fee, and"
        " on GKE the NAT gateway and the bucket. test: what only the load test needs."
    )
    _print_notes(priced)


def _print_line_items(one: Priced) -> None:
    print_cost(f"{one.shape.name}: {one.shape.nodes} × {one.shape.machine_type}, {one.cost.region}", one.cost)
    if one.test is not None:
        total = ("total", "deleted after the load test", "", "", *_usd(one.test.hourly))
        _print_items("\nFor the load test only", one.test, [total])
        if one.settings is not None and one.run_usd is not None:
            note(
                f"\nOne run of up to {one.settings.load.total_s:g} s costs up to {number(one.run_usd)} USD, for serving"
                " and for the load test. The time to create and destroy the cluster is not included."
            )
    _print_notes([one])


def print_cost(title: str, priced: Cost, dispensable: Sequence[str] = ()) -> None:
    """The line items of a cost, and below them its sums; `dispensable` columns are those of `print_table`."""
    sums = [(total.name, total.counts, "", "", *_usd(total.hourly)) for total in cost.sums(priced)]
    _print_items(title, priced, sums, dispensable)


def _print_items(title: str, priced: Cost, sums: Sequence[tuple[str, ...]], dispensable: Sequence[str] = ()) -> None:
    items = [
        (
            item.name,
            item.sku or item.reason or MISSING,
            f"{item.quantity:g} {item.unit.split('-')[0]}",
            MISSING if item.unit_price is None else f"{item.unit_price:.10g} / {item.unit}",
            *_usd(item.hourly),
        )
        for item in priced.line_items
    ]
    numbers = ("quantity", "unit price, USD", "USD/h", "USD/24 h", "USD/730 h")
    blank = ("",) * (2 + len(numbers))
    columns = (Column("item", "text"), Column("SKU", "wrap"), *map(Column, numbers))
    print_table(Table(title, columns, (*items, blank, *sums)), title, dispensable)


def _usd(hourly: float | None) -> tuple[str, str, str]:
    return number(hourly), money(cost.times(hourly, cost.HOURS_A_DAY)), money(cost.times(hourly, cost.HOURS_A_MONTH))


def _print_notes(priced: list[Priced]) -> None:
    for one in priced:
        if one.stands_in:
            note(
                f"{one.shape.name} runs on this machine and costs nothing; the price is of the shape it stands in for."
            )
        if one.cost.hourly is None:
            note(f"{one.shape.name}: the total is a lower bound: {cost.why_unpriced(one.cost)}.")
    for said in price_notes((one.shape.name, one.shape.machine_type) for one in priced):
        note(f"{said}.")
    note_sources([one.cost for one in priced])


def note_sources(costs: Sequence[Cost]) -> None:
    """Where prices on demand are from, and when they were read."""
    note(f"Prices: {costs[0].source}, {costs[0].prices_as_of}, on demand.")
    for source in dict.fromkeys(item.source for priced in costs for item in priced.line_items if item.source):
        note(f"Some of these prices: {source}.")


def _total(priced: Cost, hours: int) -> str:
    return money(priced.hourly * hours) if priced.hourly is not None else f"≥ {money(cost.at_least(priced) * hours)}"


def _json(one: Priced) -> dict[str, Any]:
    return {
        "name": one.shape.name,
        "shape": one.shape.model_dump(),
        "usage": ON_DEMAND,
        "stands_in": one.stands_in,
        "cost": one.cost.model_dump(),
        "test": one.test and one.test.model_dump(),
        "run_usd": one.run_usd,
        "sums": [asdict(total) for total in cost.sums(one.cost)],
        "why_unpriced": cost.why_unpriced(one.cost) if one.cost.hourly is None else None,
    }
