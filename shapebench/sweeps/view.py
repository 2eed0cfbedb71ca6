"""What a sweep shows of itself while it runs: tables and sentences of one snapshot."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from analysis.formatting import MISSING, counted, money, number, printable
from analysis.objective import Objective
from analysis.report.tables import Column, Table
from shapebench.output import fitted, without
from stacks.load.load_profiles import CapacitySearch
from sweep.conductor.snapshot import CandidateView, ObjectiveView, Place, Snapshot, StackState, StackView
from sweep.settings import SweepSettings
from sweep.tasks import Measure

# What a narrow terminal can do without, in this order.
_DISPENSABLE_OF_STACKS = ("progress", "for", "p99, ms", "requests/s")
_DISPENSABLE_OF_CANDIDATES = ("why", "runs")
# Rows of a terminal that are not candidates: the sentences, titles and empty lines.
_OTHER_ROWS = 8
_FEWEST_CANDIDATES = 5

SIMULATED = "Simulated sweep: the stacks are made up, and no figure is measured."


def screen(snapshot: Snapshot, settings: SweepSettings, width: int, height: int) -> RenderableType:
    """Everything, in so many columns of a terminal; of the candidates, so many as there are rows for."""
    rows = height - _OTHER_ROWS - len(snapshot.stacks) - 4 * len(snapshot.objectives)
    most = max(_FEWEST_CANDIDATES, rows // len(snapshot.objectives))
    parts: list[RenderableType] = [_text(SIMULATED)] if snapshot.simulated else []
    parts += [
        _text(heading(snapshot, settings)),
        "",
        _table(stacks_table(snapshot), width, _DISPENSABLE_OF_STACKS),
    ]
    for objective in snapshot.objectives:
        parts += [
            "",
            _text(standing(objective)),
            _table(candidates_table(objective, most), width, _DISPENSABLE_OF_CANDIDATES),
        ]
        if others := left_out(objective, most):
            parts.append(_text(others))
    return Group(*parts)


def heading(snapshot: Snapshot, settings: SweepSettings) -> str:
    """What the sweep has done and spent so far, and until when it takes at most."""
    most = "" if settings.max_usd is None else f" of {money(settings.max_usd)}"
    unpriced = f", without {', '.join(snapshot.unpriced)} (price unknown)" if snapshot.unpriced else ""
    runs = counted(snapshot.finished_runs, "run")
    now = snapshot.ending.value if snapshot.ending else f"at most {duration(snapshot.left_at_most_s)} left"
    return (
        f"Sweep {snapshot.sweep_id}, {settings.strategy}: {runs}, {duration(snapshot.hours * 3600)},"
        f" {money(snapshot.usd)}{most} USD{unpriced}; {now}"
    )


def standing(objective: ObjectiveView) -> str:
    """Who leads at an objective and by how much; once it is decided, who is chosen and with what certainty."""
    limits = f"With {objective_text(objective.load)}"
    if objective.leader is None:
        return f"{limits}: no candidate has a cost yet"
    label = objective.leader.candidate.label
    if objective.is_decided:
        return f"{limits}: {label} is chosen. {objective.claim}"
    lead = "" if objective.lead is None else f"; the next is {share(objective.lead)} dearer as measured"
    return f"{limits}: {label} leads{lead}"


def objective_text(load: CapacitySearch) -> str:
    """The limits, to go after `with`."""
    return Objective.of_search(load).text


def stacks_table(snapshot: Snapshot) -> Table:
    """What each stack is doing."""
    columns = (
        Column("stack", "text"),
        Column("state", "wrap"),
        Column("candidate", "wrap"),
        Column("progress", "wrap"),
        *map(Column, ("for", "left", "requests/s", "p99, ms", "USD")),
    )
    return Table("Stacks", columns, tuple(map(_stack_row, snapshot.stacks)))


def _stack_row(view: StackView) -> tuple[str, ...]:
    progress = view.progress
    return (
        view.stack,
        view.state.value,
        task_text(view),
        # The rest of a long error is in the log.
        view.why.partition("\n")[0] or (progress.text if progress else ""),
        duration(view.task_for_s) if view.task else MISSING,
        MISSING if view.task_left_s is None else duration(view.task_left_s),
        number(progress.rps if progress else None),
        number(progress.p99_ms if progress else None),
        money(view.usd),
    )


def task_text(view: StackView) -> str:
    """The candidate and the block that is measured, without the name of the stack; empty where none is."""
    if not isinstance(view.task, Measure) or view.state not in {StackState.creating, StackState.measuring}:
        return ""
    label = view.task.candidate.label.removeprefix(f"{view.stack} · ")
    return f"{label}, block {view.task.block}"


def candidates_table(objective: ObjectiveView, most: int) -> Table:
    """The candidates at one objective, the most promising first; at most so many."""
    columns = (
        Column("candidate", "text"),
        Column("standing", "text"),
        Column("why", "wrap"),
        *map(Column, ("runs", "USD per million", "more than leader")),
    )
    rows = [_candidate_row(candidate, leads=candidate == objective.leader) for candidate in by_cost(objective)[:most]]
    return Table("Candidates", columns, tuple(rows))


def _candidate_row(view: CandidateView, *, leads: bool) -> tuple[str, ...]:
    least = "≥ " if view.at_least else ""
    return (
        view.candidate.label,
        "leads" if leads and view.place is Place.racing else view.place.value,
        view.why,
        str(view.runs),
        f"{least}{money(view.usd_per_million)}",
        MISSING if view.behind is None or leads else f"{least}{share(view.behind)}",
    )


def by_cost(objective: ObjectiveView) -> list[CandidateView]:
    """The chosen first, then those that may be best, race, are eliminated and failed, each by cost."""
    order = (Place.chosen, Place.may_be_best, Place.racing, Place.eliminated, Place.failed)
    unknown = float("inf")
    return sorted(
        objective.candidates,
        key=lambda candidate: (
            order.index(candidate.place),
            unknown if candidate.usd_per_million is None else candidate.usd_per_million,
        ),
    )


def left_out(objective: ObjectiveView, most: int) -> str:
    """How many candidates the table has no room for."""
    places = [candidate.place.value for candidate in by_cost(objective)[most:]]
    counts = ", ".join(f"{places.count(place)} {place}" for place in dict.fromkeys(places))
    return f"and {counts}" if counts else ""


def duration(seconds: float) -> str:
    """A time in the two largest of its units."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return " ".join(_units(hours, minutes, rest)) or "0 s"


def _units(hours: int, minutes: int, seconds: int) -> Iterator[str]:
    if hours:
        yield f"{hours} h"
    if minutes:
        yield f"{minutes} min"
    if seconds and not hours:
        yield f"{seconds} s"


def share(value: float) -> str:
    """As a percentage with one decimal."""
    return f"{value * 100:.1f} %"


def _table(table: Table, width: int, dispensable: Sequence[str]) -> RenderableType:
    """The table without empty columns; where it has no room, each row in lines that are broken between words."""
    empty = [column.title for at, column in enumerate(table.columns) if not any(row[at] for row in table.rows)]
    table = without(table, empty)
    if found := fitted(table, width, dispensable):
        return found[0]
    titles = [column.title for column in table.columns]
    rows = [
        ", ".join(f"{title}: {cell}" for title, cell in zip(titles, row, strict=True) if cell not in {"", MISSING})
        for row in table.rows
    ]
    return Group(*map(_text, rows))


def _text(text: str) -> Text:
    return Text(printable(text))
