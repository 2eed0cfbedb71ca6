"""What a sweep is expected to take, before anything is made: runs, hours and dollars, by strategy."""

from collections.abc import Iterable, Mapping
from typing import Any

from analysis.formatting import MISSING, counted, money
from analysis.report.tables import Column, Table
from shapebench.output import note, print_table, print_text, progress
from shapebench.sweeps.view import duration, objective_text
from sweep.conductor.limits import Limits
from sweep.conductor.state import SweepState
from sweep.fleet import Expected
from sweep.journal.journal import Journal
from sweep.settings import SweepSettings
from sweep.simulation.estimate import Range, SweepEstimate, estimate
from sweep.strategies.create import strategy_of

STRATEGIES = ("race", "grid")
# What the race takes that measures every stack: what the estimate saves.
_ALL_MEASURED = "race, --no-estimate"


def estimates(
    settings: SweepSettings, expected: Mapping[str, Expected], strategies: Iterable[str] = STRATEGIES
) -> dict[str, SweepEstimate]:
    """By strategy, what simulated sweeps took."""
    changed: dict[str, dict[str, Any]] = {name: {"strategy": name} for name in strategies}
    if settings.priors and set(changed) == set(STRATEGIES):
        changed |= {_ALL_MEASURED: {"strategy": "race", "estimate": False}}
    with progress() as show:
        show("simulating the sweep")
        return {
            name: estimate(settings.model_copy(update=changes), expected, strategy_of)
            for name, changes in changed.items()
        }


def print_plan(
    settings: SweepSettings, expected: Mapping[str, Expected], estimated: Mapping[str, SweepEstimate]
) -> None:
    """Print what is to be measured, and what each strategy is expected to take."""
    stacks = dict.fromkeys(candidate.stack for candidate in settings.candidates)
    loads = dict.fromkeys(candidate.load for candidate in settings.candidates)
    count = len(settings.candidates)
    print_text(
        f"{count} {'candidate' if count == 1 else 'candidates'} on {', '.join(stacks)}, with"
        f" {'; with '.join(map(objective_text, loads))}."
    )
    print_table(_table(estimated))
    simulations = max(sweep_estimate.simulations for sweep_estimate in estimated.values())
    note(
        f"\nThe median of {counted(simulations, 'simulated sweep')}, and what 90 % of them did not exceed; creating,"
        " updating and destroying are included. How much the candidates differ is assumed; if the best are close, a"
        " race takes longer."
    )
    _note_prices(settings, expected)


def print_rest(
    journal: Journal, state: SweepState, expected: Mapping[str, Expected], estimated: SweepEstimate | None
) -> None:
    """Print what a sweep that is resumed has spent, and what the whole of it was expected to cost."""
    spent_usd = Limits(journal.settings, expected).spent_usd(state, journal.at_s)
    of_all = ""
    if estimated and estimated.usd:
        of_all = f" of the {money(estimated.usd.median)} USD expected ({money(estimated.usd.high)} at 90 %)"
    print_text(
        f"The sweep {journal.sweep_id} has {counted(state.finished_runs, 'run')} of"
        f" {counted(len(state.candidates), 'candidate')} and has cost {money(spent_usd)} USD{of_all}."
        f" Up now: {', '.join(state.up) or 'nothing'}."
    )
    _note_prices(journal.settings, expected)


def _note_prices(settings: SweepSettings, expected: Mapping[str, Expected]) -> None:
    for name, of in expected.items():
        note(f"{name}: {_price(of)}")
    if limits := _limits(settings):
        note(f"The sweep ends before it exceeds {limits}, with every stack destroyed.")


def _table(estimated: Mapping[str, SweepEstimate]) -> Table:
    columns = (Column("strategy", "text"), *map(Column, ("runs", "time", "time, 90 %", "USD", "USD, 90 %")))
    return Table("Plan", columns, tuple(_row(name, sweep_estimate) for name, sweep_estimate in estimated.items()))


def _row(name: str, sweep_estimate: SweepEstimate) -> tuple[str, ...]:
    times = (duration(60 * round(60 * hours)) for hours in (sweep_estimate.hours.median, sweep_estimate.hours.high))
    usd = sweep_estimate.usd or Range(0, 0)
    amounts = (money(usd.median), money(usd.high)) if sweep_estimate.usd else (MISSING, MISSING)
    return (name, f"{sweep_estimate.runs.median:.0f}", *times, *amounts)


def _price(of: Expected) -> str:
    if of.billed_usd_hourly == 0:
        return "creates nothing that is billed"
    if of.billed_usd_hourly is None:
        return "costs money while it is up, but a price is missing, so it is not known how much"
    return f"costs {money(of.billed_usd_hourly)} USD an hour while it is up"


def _limits(settings: SweepSettings) -> str:
    limits = []
    if settings.max_usd is not None:
        limits.append(f"{money(settings.max_usd)} USD")
    if settings.max_hours is not None:
        limits.append(duration(settings.max_hours * 3600))
    return " or ".join(limits)
