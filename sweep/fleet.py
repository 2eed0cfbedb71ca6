"""The interface between a sweep and its stacks: real in `sweep.pulumi_fleet`, simulated in `sweep.simulation`."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from sweep.room import Room
from sweep.tasks import Measure, Measured


class FleetError(Exception):
    """A task failed; the message says why, and how to fix it. Repeating it may help."""


class LastingError(FleetError):
    """Repeating the task would not help, such as a setting that the server refuses."""


class QuotaError(FleetError):
    """There is no quota for this stack while others are up."""


@dataclass(frozen=True)
class Expected:
    """What is known of a stack beforehand. USD is None where a line item has no price.

    `usd_hourly` is the price that the figures use: serving alone, as in `shapebench price`. `billed_usd_hourly` is what
    the stack costs while it is up: with the load test's nodes, and 0 where nothing is billed. Times in seconds are
    without the load test: to create, to update to another candidate on a fresh deployment, to destroy. `fresh_nodes`:
    its serving nodes are others in each block.
    """

    usd_hourly: float | None
    billed_usd_hourly: float | None
    create_s: float
    update_s: float
    destroy_s: float
    fresh_nodes: bool = False


@dataclass(frozen=True)
class Progress:
    """What a task is doing. `rps` and `p99_ms` are of the load that is being sent; None where there is none."""

    text: str
    rps: float | None = None
    p99_ms: float | None = None


Report = Callable[[Progress], None]


class Fleet(Protocol):
    """Stacks by name. Each has one task at a time; different ones have theirs side by side.

    A task that is cancelled (asyncio.CancelledError) ends what it started on this machine before it returns.
    """

    def expected(self, stack: str) -> Expected:
        """Known without an account and without a network; raises LastingError where the stack's file is wrong."""
        ...

    async def check(self, stacks: Collection[str]) -> None:
        """Raise LastingError where the sweep cannot begin: a stack that is up already, a program that is missing."""
        ...

    async def room(self, stacks: Collection[str]) -> Room:
        """The quotas that these stacks share, as they are now; raises FleetError where that is not known."""
        ...

    async def measure(self, task: Measure, report: Report) -> Measured:
        """Measure once; raises FleetError where there is no valid run."""
        ...

    async def find(self, task: Measure) -> Measured | None:
        """The finished run of a task that was cut off, wherever it was cut; None where there is none."""
        ...

    async def lost(self, task: Measure, measured: Measured) -> str:
        """Why a finished run no longer counts: the results store does not have it, or not as it was recorded.

        Empty where it counts; raises FleetError where that is not known.
        """
        ...

    async def destroy(self, stack: str, report: Report) -> None:
        """Destroy the stack, also one that is half made or gone; raises FleetError where something may be left."""
        ...

    async def leftovers(self, stack: str) -> list[str]:
        """What is left of a stack that was destroyed, each with how to remove it; raises FleetError if unknown."""
        ...
