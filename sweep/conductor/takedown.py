"""Destroys stacks without a journal: after it was lost, damaged, or a mistake in the program."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

from sweep.conductor.steps import DESTROY_ATTEMPTS, PAUSES_S
from sweep.fleet import Fleet, FleetError, Report


@dataclass(frozen=True)
class TakenDown:
    """By stack: why it may still be up, and what is left of it, each with how to remove it. Empty where all is gone."""

    may_be_up: dict[str, str] = field(default_factory=dict)
    leftovers: dict[str, tuple[str, ...]] = field(default_factory=dict)


async def destroy(fleet: Fleet, stack: str, report: Report) -> str:
    """Destroy a stack, with several tries; returns why it may still be up, empty where it is destroyed."""
    why = ""
    for attempt in range(DESTROY_ATTEMPTS):
        if attempt:
            await asyncio.sleep(PAUSES_S[attempt - 1])
        try:
            await fleet.destroy(stack, report)
        except (FleetError, OSError) as error:
            why = str(error)
        else:
            return ""
    return why


async def take_down(fleet: Fleet, stacks: Collection[str], report: Report) -> TakenDown:
    """Destroy stacks side by side, and search for what is left of them."""
    found = TakenDown()
    ends = await asyncio.gather(*(destroy(fleet, stack, report) for stack in stacks), return_exceptions=True)
    for stack, end in zip(stacks, ends, strict=True):
        if isinstance(end, BaseException) or end:
            found.may_be_up[stack] = str(end) if isinstance(end, str) else repr(end)
            continue
        try:
            left = tuple(await fleet.leftovers(stack))
        except Exception as error:  # noqa: BLE001 - the others are searched, too
            left = (f"not known, because the search for leftovers failed: {error}",)
        if left:
            found.leftovers[stack] = left
    return found
