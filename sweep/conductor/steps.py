"""The next step of a stack: a pure function of the records, so a resumed sweep goes on as if it had not stopped."""

import random
from dataclasses import dataclass

from sweep.conductor.decisions import Decisions
from sweep.conductor.state import StackRecord, SweepState
from sweep.journal.records import Record, Result
from sweep.room import Room
from sweep.settings import SweepSettings
from sweep.tasks import Destroy, Measure

DESTROY_ATTEMPTS = 4
# Seconds before the second attempt, the third, and so on: a network or an API may be back by then.
PAUSES_S = (15, 60, 240)


@dataclass(frozen=True)
class Look:
    """Look for the run of a task that was cut off."""

    record: Record


@dataclass(frozen=True)
class Wait:
    """Wait until another stack has ended a task."""

    why: str


@dataclass(frozen=True)
class Pause:
    """Wait until so many seconds after the sweep's beginning, before the next attempt."""

    until_s: float
    why: str


Step = Look | Wait | Pause | Measure | Destroy


def next_step(
    state: SweepState,
    decisions: Decisions,
    settings: SweepSettings,
    stack: str,
    at_s: float,
    room: Room = Room(),  # noqa: B008 - frozen
) -> Step | None:
    """The next step of a stack that has no task now; None if it has no more."""
    record = state.stacks[stack]
    needing = decisions.needing(state, stack)
    if record.open_tasks:
        return Look(next(iter(record.open_tasks.values())))
    if not needing or (record.waits_for_quota and record.up_since_s is not None):
        return last_step(state, stack, at_s)
    if record.up_since_s is None and (wait := _place(state, decisions, settings, stack, room)):
        return wait
    pause = _pause(record, record.failed_in_a_row, at_s)
    return pause or _measure(state, decisions, settings, stack, needing)


def last_step(state: SweepState, stack: str, at_s: float) -> Pause | Destroy | None:
    """The next step of a stack that gets no more runs: its destruction, unless that has failed too often."""
    record = state.stacks[stack]
    if record.up_since_s is None or record.destroys_failed >= DESTROY_ATTEMPTS:
        return None
    return _pause(record, record.destroys_failed, at_s) or Destroy(stack)


def _place(state: SweepState, decisions: Decisions, settings: SweepSettings, stack: str, room: Room) -> Wait | None:
    """What keeps a stack from being made: too many are up, or too little is left of a quota beside them."""
    record, up = state.stacks[stack], state.up
    places = [name for name in up if state.stacks[name].destroys_failed < DESTROY_ATTEMPTS]
    if len(places) >= settings.parallel:
        return Wait(f"waits for a place: {len(places)} stacks are up, and --parallel is {settings.parallel}")
    if lacking := room.lacks(stack, places):
        return Wait(f"waits for quota until another stack is destroyed: {lacking}")
    if not record.waits_for_quota or state.freed > record.freed_before:
        return None
    waiting = [name for name, of in state.stacks.items() if of.waits_for_quota and decisions.needing(state, name)]
    if not up and waiting[0] == stack:
        return None
    return Wait("waits for quota until another stack is destroyed")


def _pause(record: StackRecord, failed: int, at_s: float) -> Pause | None:
    last = record.last
    if not failed or last is None or last.result != Result.failed or last.ended_at_s is None:
        return None
    until_s = last.ended_at_s + PAUSES_S[min(failed, len(PAUSES_S)) - 1]
    return Pause(until_s, last.why) if at_s < until_s else None


def _measure(
    state: SweepState, decisions: Decisions, settings: SweepSettings, stack: str, needing: dict[str, int]
) -> Measure:
    """The first candidate of the block in its random order; one whose run failed comes after the others."""
    block = min(needing.values())
    keys = sorted(needing)
    random.Random(f"{settings.seed} {stack} {block}").shuffle(keys)  # noqa: S311 - no secret
    key = min((key for key in keys if needing[key] == block), key=lambda key: state.failures[key, block])
    return decisions.task(state, key, block)
