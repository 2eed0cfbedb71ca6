"""The simulated fleet: implements `sweep.fleet` on a simulated cloud, in simulated time."""

import asyncio
from collections.abc import Collection

from sweep.fleet import Expected, FleetError, LastingError, Progress, Report
from sweep.room import Room
from sweep.simulation.cloud import Cloud
from sweep.tasks import Measure, Measured

_PROMPT_S = 5


class SimulatedFleet:
    """One process's view of a cloud. The cloud outlives it, as a real one does."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def expected(self, stack: str) -> Expected:
        """The means of the world, without its spread."""
        made = self._cloud.world.stacks[stack]
        times = made.create_s, made.update_s, made.destroy_s
        return Expected(made.usd_hourly, made.billed_usd_hourly, *times, made.fresh_nodes)

    async def check(self, stacks: Collection[str]) -> None:
        """Raise LastingError where one is up."""
        if up := sorted(set(stacks) & set(self._cloud.up_since_s)):
            raise LastingError(f"simulated: {' and '.join(up)} {'is' if len(up) == 1 else 'are'} up already")

    async def room(self, stacks: Collection[str]) -> Room:  # noqa: ARG002
        """Nothing is known beforehand: a simulated quota shows itself by refusing a stack."""
        return Room()

    async def measure(self, task: Measure, report: Report) -> Measured:
        """Measure once, in simulated time."""
        await asyncio.sleep(_PROMPT_S)
        operation = self._cloud.begin(task, _now_s())
        try:
            for text, ends_s in operation.phases:
                report(Progress(f"{text} (simulated)"))
                await asyncio.sleep(max(0, ends_s - _now_s()))
        except asyncio.CancelledError:
            self._cloud.settle(_now_s())
            self._cloud.abandon(task.stack)
            raise
        return self._ended(task, operation.error)

    async def find(self, task: Measure) -> Measured | None:
        """Let an update that was orphaned end, then look into the results store."""
        await asyncio.sleep(_PROMPT_S)
        self._cloud.reach(_now_s())
        if orphan := self._cloud.operations.get(task.stack):
            await asyncio.sleep(max(0, orphan.ends_s - _now_s()))
        self._cloud.settle(_now_s())
        return self._cloud.run(task)

    async def lost(self, task: Measure, measured: Measured) -> str:
        """Compare it with the stored run, whose time has come long ago."""
        return "" if self._cloud.run(task) == measured else "simulated: the results store does not have it as recorded"

    async def destroy(self, stack: str, report: Report) -> None:
        """Destroy in simulated time."""
        report(Progress("destroying (simulated)"))
        await asyncio.sleep(_PROMPT_S)
        self._cloud.reach(_now_s())
        self._cloud.settle(_now_s())
        self._cloud.abandon(stack)
        lasts_s, error = self._cloud.destroy_s(stack)
        await asyncio.sleep(lasts_s)
        if error:
            raise error
        self._cloud.remove(stack, _now_s())

    async def leftovers(self, stack: str) -> list[str]:
        """The stack itself, if it is up."""
        self._cloud.reach(_now_s())
        return [f"simulated: the cluster of {stack}"] if stack in self._cloud.up_since_s else []

    def _ended(self, task: Measure, error: FleetError | None) -> Measured:
        self._cloud.settle(_now_s())
        if error:
            raise error
        measured = self._cloud.run(task)
        assert measured is not None
        return measured


def _now_s() -> float:
    return asyncio.get_running_loop().time()
