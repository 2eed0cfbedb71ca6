"""The end of a sweep: the answer in three lines, what went wrong, and the exit code."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path

from analysis.formatting import counted, money
from analysis.verdict.text import NO_VERDICT
from shapebench.output import REHEARSAL_EXIT_CODE
from shapebench.sweeps.view import duration, objective_text, share
from stacks.files import load_settings
from sweep.conductor.snapshot import CandidateView, ObjectiveView, Outcome, Place, StackState


class Exit(IntEnum):
    """For scripts; docs/sweep.md explains each."""

    best = 0
    none_meets = 3
    undecided = 4
    rehearsal = REHEARSAL_EXIT_CODE
    failed = 6


def exit_code(outcome: Outcome, *, is_rehearsal: bool) -> Exit:
    """What may be left or failed goes before what was found; `is_rehearsal` where every stack is local or simulated."""
    if outcome.leftovers or outcome.may_be_up or _failed_stacks(outcome) or any(_failed(outcome)):
        return Exit.failed
    if not _is_decided(outcome):
        return Exit.undecided
    if is_rehearsal:
        return Exit.rehearsal
    return Exit.best if all(map(_chosen, outcome.last.objectives)) else Exit.none_meets


def write_outcome(folder: Path, outcome: Outcome, lines: Iterable[str]) -> None:
    """Write `outcome.json` beside the journal, which the comment on a pull request is made from."""
    last = outcome.last
    found = {
        "ending": outcome.ending.value,
        "runs": last.finished_runs,
        "hours": last.hours,
        "usd": last.usd,
        # Without a price for a stack, `usd` is what the others cost.
        "unpriced": list(last.unpriced),
        "message": "\n".join(lines),
    }
    (folder / "outcome.json").write_text(json.dumps(found, indent=2) + "\n")


def answer(outcome: Outcome, *, is_rehearsal: bool, grid_usd: float | None, disturbed: int = 0) -> Iterator[str]:
    """The lines of the answer: two for each objective, then what the sweep took.

    `grid_usd` is what measuring every candidate equally often would have cost; None where it is not known. So many runs
    were `disturbed` by other programs, and refused.
    """
    last = outcome.last
    if last.simulated:
        yield "Simulated: no figure is measured, and nothing follows for a real stack."
    elif is_rehearsal:
        yield f"{NO_VERDICT}."
    for objective in last.objectives:
        yield from _of_objective(objective, outcome)
    failed = len(list(_failed(outcome)))
    count = sum(len(objective.candidates) for objective in last.objectives)
    of_candidates = counted(count, "candidate")
    runs = counted(last.finished_runs, "run")
    saved = ""
    if grid_usd and last.usd < grid_usd and _is_decided(outcome):
        saved = f"; the grid would cost about {money(grid_usd)} USD, so {share(1 - last.usd / grid_usd)} was saved"
    without = f" (without {', '.join(last.unpriced)})" if last.unpriced else ""
    yield (
        f"{runs} of {of_candidates}{f', of which {failed} failed,' if failed else ''} in {duration(last.hours * 3600)}"
        f" for {money(last.usd)} USD{without}{saved}."
    )
    if disturbed:
        were = "was" if disturbed == 1 else "were"
        yield f"{counted(disturbed, 'more run')} {were} refused, because other programs took CPU from the servers."


def _of_objective(objective: ObjectiveView, outcome: Outcome) -> Iterator[str]:
    limits = objective_text(objective.load)
    chosen, claim = _chosen(objective), objective.claim.rstrip(".")
    if not objective.is_decided:
        yield f"Not decided with {limits}, because the sweep ended too early: {outcome.ending.value}."
        if objective.leader:
            yield f"{objective.leader.candidate.label} leads at {_cost(objective.leader)}; more runs may change that."
    elif chosen is None:
        yield f"No candidate is known to meet the objective, {limits}."
    else:
        yield f"{_cheapest(objective)} with {limits}: {chosen.candidate.label}, {_cost(chosen)}."
        yield f"{claim}.{_second(objective)}"


def _cheapest(objective: ObjectiveView) -> str:
    """What the chosen candidate is: those that failed may be cheaper."""
    failed = sum(candidate.place is Place.failed for candidate in objective.candidates)
    compared = len(objective.candidates) - failed
    if not failed:
        return "Cheapest"
    return "Only candidate that was measured" if compared == 1 else f"Cheapest of the {compared} that were measured"


def _second(objective: ObjectiveView) -> str:
    """Which candidate comes next, by how much as it was measured, and whether it may be the best all the same."""
    second = objective.second
    if second is None or second.behind is None:
        return ""
    than = "dearer" if second.behind >= 0 else "cheaper"
    by = "its run" if second.runs == 1 else f"its {second.runs} runs"
    others = [candidate.candidate.label for candidate in objective.candidates if candidate.place is Place.may_be_best]
    open_ones = f" Not certainly dearer, so may be best, too: {', '.join(others)}." if others else ""
    return f" Next is {second.candidate.label}, {share(abs(second.behind))} {than} as measured in {by}.{open_ones}"


def _cost(view: CandidateView) -> str:
    least, usd = "at least " if view.at_least else "", view.usd_per_million
    cost = f"{least}{money(usd)} USD per million predictions"
    if usd is None or view.instances == 1:
        return cost
    return f"{cost} ({money(usd * view.instances)} USD per million requests of {view.instances:.4g} predictions each)"


def _is_decided(outcome: Outcome) -> bool:
    return all(objective.is_decided for objective in outcome.last.objectives)


def _chosen(objective: ObjectiveView) -> CandidateView | None:
    return next((candidate for candidate in objective.candidates if candidate.place is Place.chosen), None)


def troubles(outcome: Outcome) -> Iterator[str]:
    """What went wrong: failed candidates and stacks, and what may be left, with how to remove it."""
    if outcome.message:
        yield outcome.message
    yield from outcome.notes
    failed = _failed_stacks(outcome)
    for view in outcome.last.stacks:
        if view.stack in failed:
            yield f"The stack {view.stack} failed, so its candidates were not decided: {view.why}"
    for failed_view in _failed(outcome):
        if failed_view.candidate.stack not in failed:
            yield f"{failed_view.candidate.label} failed and was left out: {failed_view.why}"
    if any(_failed(outcome)) and not outcome.last.simulated:
        command = f"shapebench sweep --resume {outcome.last.sweep_id}"
        yield f"Once the cause is fixed, this tries what failed again: {command}"
    for stack, why in outcome.may_be_up.items():
        yield f"THE STACK {stack} MAY BE UP AND COST MONEY: {why}. Destroy it: {destroy_command(stack)}"
    yield from left_of(outcome.leftovers)


def left_of(leftovers: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """What is left of stacks, each with how to remove it."""
    for stack, left in leftovers.items():
        yield f"LEFT OF THE STACK {stack}, WHICH MAY COST MONEY; each with how to remove it:"
        yield from (f"    {leftover}" for leftover in left)


def _failed(outcome: Outcome) -> Iterator[CandidateView]:
    for objective in outcome.last.objectives:
        yield from (candidate for candidate in objective.candidates if candidate.place is Place.failed)


def _failed_stacks(outcome: Outcome) -> Collection[str]:
    return {view.stack for view in outcome.last.stacks if view.state is StackState.failed}


def destroy_command(stack: str) -> str:
    """What removes a stack in any state, as it is typed."""
    try:
        is_gke = load_settings(stack).platform == "gke"
    except Exception:  # noqa: BLE001 - a file that was broken since, in any way, must not hide what is up
        is_gke = False
    if is_gke:
        return f"tools/take_down {stack}"
    return f"pulumi cancel --stack {stack} --yes; pulumi destroy --stack {stack} --yes"
