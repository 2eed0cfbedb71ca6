"""`shapebench price`: what a shape costs, by line item for one and side by side for several."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from analysis import cost
from analysis.manifest import Cost
from analysis.report.text import MISSING, money, number
from shapebench.output import CommandError, note, print_json, print_table
from stacks.explain import SettingsError
from stacks.files import load_settings, stack_names
from stacks.shapes import NodeShape, ShapeSettings, machine_resources

_SHAPE = re.compile(r"(?P<nodes>[1-9][0-9]?)x(?P<machine_type>[a-z0-9-]+)")


@dataclass(frozen=True)
class Priced:
    """A shape and what it costs. `stands_in` where the stack runs on this machine and costs nothing itself."""

    shape: NodeShape
    cost: Cost
    stands_in: bool


def print_prices(stacks: list[str], shape: str | None, region: str | None, *, as_json: bool) -> None:
    """Price one shape, or the stacks that were named, or all of them."""
    if shape is not None and stacks:
        raise CommandError("--shape and --stack exclude each other, so nothing was priced; give one of them")
    if shape is not None:
        priced = [
            Priced(parsed := parse_shape(shape), cost.estimate(parsed, region or cost.DEFAULT_REGION), stands_in=False)
        ]
    else:
        priced = [_price_stack(stack, region) for stack in stacks] if stacks else _price_all(region)
    if as_json:
        print_json([_json(one) for one in priced])
    elif len(priced) == 1:
        _print_line_items(priced[0])
    else:
        _print_side_by_side(priced)


def parse_shape(text: str) -> NodeShape:
    """The shape that `<nodes>x<machine type>` says."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise CommandError(f"--shape {text} is no <nodes>x<machine type>; give one such as 2xe2-custom-8-16384")
    machine_resources(match["machine_type"])  # says in one sentence if the type is unknown
    return NodeShape.of(text, ShapeSettings(machine_type=match["machine_type"], nodes=int(match["nodes"])))


def _price_stack(stack: str, region: str | None) -> Priced:
    settings = load_settings(stack)
    shape = settings.node_shape(stack)
    return Priced(shape, cost.estimate(shape, region or settings.region), stands_in=settings.platform == "local")


def _price_all(region: str | None) -> list[Priced]:
    """Every stack whose file is complete; the others are named, since one unfinished file must not hide the rest."""
    priced = []
    for stack in stack_names():
        try:
            priced.append(_price_stack(stack, region))
        except SettingsError as error:
            note(f"skipped: stack {stack}: {str(error).splitlines()[0]}")
    return priced


def _print_side_by_side(priced: list[Priced]) -> None:
    columns = (
        "stack",
        "shape",
        "vCPUs",
        "memory, GB",
        "USD/h",
        "nodes only, USD/24 h",
        "all, USD/24 h",
        "all, USD/730 h",
    )
    rows = [
        (
            one.shape.name,
            _shape(one),
            str(one.shape.nodes * one.shape.vcpus),
            f"{one.shape.nodes * one.shape.memory_gb:g}",
            number(one.cost.hourly),
            money(_times(cost.nodes_hourly(one.cost), cost.HOURS_A_DAY)),
            _total(one.cost, cost.HOURS_A_DAY),
            _total(one.cost, cost.HOURS_A_MONTH),
        )
        for one in priced
    ]
    print_table(columns, rows, words=2)
    note("\nnodes only: vCPUs and memory, as the published experiment compares shapes. all: and disks and cluster fee.")
    _print_notes(priced)


def _print_line_items(one: Priced) -> None:
    items = [
        (
            item.name,
            item.sku or cost.why_unpriced(one.cost),
            f"{item.quantity:g} {item.unit.split('-')[0]}",
            MISSING if item.unit_price is None else f"{item.unit_price:.10g} / {item.unit}",
            *_amounts(item.hourly),
        )
        for item in one.cost.line_items
    ]
    sums = [(each.name, each.counts, "", "", *_amounts(each.hourly)) for each in cost.sums(one.cost)]
    columns = ("item", "what it is", "quantity", "unit price, USD", "USD/h", "USD/24 h", "USD/730 h")
    title = f"{one.shape.name}: {_shape(one)}, {one.cost.region}"
    print_table(columns, [*items, ("",) * len(columns), *sums], words=2, title=title)
    _print_notes([one])


def _amounts(hourly: float | None) -> tuple[str, str, str]:
    return number(hourly), money(_times(hourly, cost.HOURS_A_DAY)), money(_times(hourly, cost.HOURS_A_MONTH))


def _print_notes(priced: list[Priced]) -> None:
    for one in priced:
        if one.stands_in:
            note(
                f"{one.shape.name} runs on this machine and costs nothing; it is priced as the shape it stands in for."
            )
        if one.cost.hourly is None:
            note(f"{one.shape.name}: its total is a lower bound: {cost.why_unpriced(one.cost)}.")
    note(f"Prices: {priced[0].cost.source}, {priced[0].cost.prices_as_of}, on demand.")


def _shape(one: Priced) -> str:
    return f"{one.shape.nodes} × {one.shape.machine_type}"


def _total(priced: Cost, hours: int) -> str:
    return money(priced.hourly * hours) if priced.hourly is not None else f"≥ {money(cost.at_least(priced) * hours)}"


def _times(hourly: float | None, hours: int) -> float | None:
    return None if hourly is None else hourly * hours


def _json(one: Priced) -> dict[str, Any]:
    return {
        "name": one.shape.name,
        "shape": one.shape.model_dump(),
        "stands_in": one.stands_in,
        "cost": one.cost.model_dump(),
        "sums": [asdict(each) for each in cost.sums(one.cost)],
        "why_unpriced": cost.why_unpriced(one.cost) if one.cost.hourly is None else None,
    }
