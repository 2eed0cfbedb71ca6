"""The real fleet: measures and destroys stacks through Pulumi, each task in a thread; cancelling it ends the update."""

import asyncio
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from analysis.results.storage.store import ResultsStore
from analysis.results.storage.store_files import StoreError
from stacks.explain import SettingsError
from stacks.files import load_config, settings_in, store_uri
from stacks.settings import Settings
from sweep.fleet import Expected, FleetError, LastingError, Progress, Report
from sweep.pulumi_fleet import teardown
from sweep.pulumi_fleet.google import interrupted_creations
from sweep.pulumi_fleet.quota import room_of
from sweep.pulumi_fleet.results import NothingMeasuredError, lost, measured, run_of
from sweep.pulumi_fleet.stack import Place, SweepStack, resources_in
from sweep.pulumi_fleet.stack_file import config_for
from sweep.pulumi_fleet.update_process import end, running_update
from sweep.room import Room
from sweep.tasks import Measure, Measured
from tools.console import SetupError
from tools.pins import ROOT
from tools.private_files import private_folder
from tools.pulumi_plugins import GCP, KUBERNETES
from tools.stack import activated_environment

_PLUGINS = {"local": (), "kubernetes": (KUBERNETES,), "gke": (GCP, KUBERNETES)}
_MOST_TASKS = 64
_POLL_S = 0.5

Result = TypeVar("Result")


class PulumiFleet:
    """sweep.fleet.Fleet, with the program, the stack files and the backend of this checkout.

    `folder` is the sweep's: logs, and the stack files of its updates, so that the user's own stay as they are.
    `results` is a folder or a URI. `max_hours` is the longest that the sweep may take, for the lease of a stack in
    Google Cloud; without it, the lease is that of the stack's file. `expected` has the stacks that may be measured,
    with the prices that were agreed to.
    """

    def __init__(
        self,
        sweep_id: str,
        folder: Path,
        results: str,
        max_hours: float | None = None,
        expected: Mapping[str, Expected] = MappingProxyType({}),
    ) -> None:
        private_folder(folder)
        self._sweep_id, self._max_hours, self._expected = sweep_id, max_hours, expected
        # Pulumi runs in the checkout, this process perhaps elsewhere.
        self._results = store_uri(results, Path.cwd())
        self._place = Place(ROOT, folder, activated_environment(ROOT))
        # In the backend; creating one takes seconds to find that it exists.
        self._exist: set[str] = set()
        self._threads = ThreadPoolExecutor(_MOST_TASKS, thread_name_prefix="stack")

    def expected(self, stack: str) -> Expected:
        return self._expected[stack]

    async def check(self, stacks: Collection[str]) -> None:
        for stack in stacks:
            await self._in_thread(lambda stack=stack: self._check(stack))  # type: ignore[misc]

    async def room(self, stacks: Collection[str]) -> Room:
        return await self._in_thread(lambda: room_of(stacks))

    async def measure(self, task: Measure, report: Report) -> Measured:
        config, settings = self._configuration(task)
        stack = self._stack(task.stack, report)
        return await self._in_thread(lambda: self._measure(stack, task, config, settings), stack)

    async def find(self, task: Measure) -> Measured | None:
        process = running_update(self._place.events(task.stack))
        try:
            while process and process.alive:
                await asyncio.sleep(_POLL_S)
        except asyncio.CancelledError:
            if process:
                await self._in_thread(partial(end, process))
            raise
        return await self._in_thread(lambda: self._find(task))

    async def lost(self, task: Measure, measured: Measured) -> str:
        return await self._in_thread(lambda: lost(ResultsStore(self._results), task, measured))

    async def destroy(self, stack: str, report: Report) -> None:
        running = self._stack(stack, report)
        await self._in_thread(lambda: self._destroy(running), running)

    async def leftovers(self, stack: str) -> list[str]:
        config = load_config(stack)
        return await self._in_thread(
            lambda: teardown.left_of(stack, settings_in(config), config, self._stack(stack).say)
        )

    def _stack(self, name: str, report: Report | None = None) -> SweepStack:
        if report is None:
            return SweepStack(self._place, name)
        loop = asyncio.get_running_loop()

        def report_in_loop(progress: Progress) -> None:
            loop.call_soon_threadsafe(report, progress)

        return SweepStack(self._place, name, report_in_loop)

    async def _in_thread(self, work: Callable[[], Result], stack: SweepStack | None = None) -> Result:
        """Run `work` in a thread. Where this is cancelled, interrupt the stack's update, and wait for its end."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        is_cancelled = False
        while not running.done():
            try:
                await asyncio.wait({running})
            except asyncio.CancelledError:
                is_cancelled = True
                if stack:
                    threading.Thread(target=stack.command.interrupt, daemon=True).start()
        if is_cancelled:
            running.exception()
            raise asyncio.CancelledError
        return running.result()

    def _configuration(self, task: Measure) -> tuple[dict[str, Any], Settings]:
        try:
            config = config_for(task, load_config(task.stack), self._sweep_id, self._results, self._max_hours)
            return config, settings_in(config)
        except SettingsError as error:
            raise LastingError(f"{task.candidate.label} cannot be measured on {task.stack}: {error}") from None

    def _check(self, name: str) -> None:
        try:
            settings = settings_in(load_config(name))
        except SettingsError as error:
            raise LastingError(f"the file of the stack {name} is wrong, so nothing was created: {error}") from None
        for plugin in _PLUGINS[settings.platform]:
            if not plugin.find(self._place.environment):
                raise LastingError(
                    f"Pulumi's {plugin.name} plugin {plugin.version} is missing, so the stack {name} cannot be created;"
                    f" install it: {' '.join(plugin.install_command)}"
                )
        if settings.platform == "gke" and settings.gke.protect:
            raise LastingError(
                f"shapebench:gke.protect is true on the stack {name}, so the sweep could not destroy it; set it to"
                f" false: pulumi config set --path shapebench:gke.protect false --stack {name}"
            )
        state = self._stack(name).state()
        if state and resources_in(state):
            how = f"tools/take_down {name}" if settings.platform == "gke" else f"pulumi destroy --stack {name}"
            raise LastingError(
                f"the stack {name} is up already, and the sweep would destroy it at its end; destroy it first ({how}),"
                " or leave it out"
            )

    def _measure(self, stack: SweepStack, task: Measure, config: dict[str, Any], settings: Settings) -> Measured:
        load = settings.load
        assert load.mode == "capacity"
        try:
            self._recover(stack, config)
            stack.say(f"measuring {task.candidate.label}, block {task.block} ({task.length})")
            if stack.name not in self._exist:
                stack.create()
                self._exist.add(stack.name)
            return measured(ResultsStore(self._results), stack.name, stack.up(config), load)
        except (StoreError, SetupError) as error:
            raise FleetError(str(error)) from error

    def _recover(self, stack: SweepStack, config: dict[str, Any]) -> None:
        """End what a killed sweep left running, and destroy a stack whose creation in Google Cloud was cut off."""
        if not self._place.updating(stack.name).exists():
            return
        self._end_update(stack)
        stack.unlock()
        state = stack.state()
        if state and interrupted_creations(state, stack.name):
            stack.say("its creation was cut off, so it is destroyed first")
            teardown.destroy(stack, config)

    def _end_update(self, stack: SweepStack) -> None:
        if process := running_update(self._place.events(stack.name)):
            end(process)

    def _find(self, task: Measure) -> Measured | None:
        try:
            store = ResultsStore(self._results)
            run_id = run_of(store, task, self._sweep_id)
            return measured(store, task.stack, run_id, task.candidate.load) if run_id else None
        except NothingMeasuredError:
            return None  # it is measured again
        except StoreError as error:
            raise FleetError(str(error)) from error

    def _destroy(self, stack: SweepStack) -> None:
        self._end_update(stack)
        stack.say("destroying")
        try:
            config = load_config(stack.name)
        except SettingsError as error:
            raise FleetError(str(error)) from error
        teardown.destroy(stack, config)
