"""One stack through Pulumi's Automation API: reads its state, updates it, destroys it. Calls block, in one thread."""

import json
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pulumi.automation import CommandError, LocalWorkspace, Stack, StackNotFoundError

from sweep.fleet import FleetError, Progress, Report
from sweep.pulumi_fleet.command import StackCommand
from sweep.pulumi_fleet.events import error_of, progress_of
from sweep.pulumi_fleet.failures import failure_of
from sweep.pulumi_fleet.stack_file import write_stack_file
from tools.private_files import open_private
from tools.stack import create_stack

# Creating a stack rewrites stack files for a moment.
_CREATING = threading.Lock()
_ROOT_TYPE = "pulumi:pulumi:Stack"

_Result = TypeVar("_Result")


class _Workspace(LocalWorkspace):
    """The checkout. Every command names its stack, so the one that the user has selected stays selected."""

    def select_stack(self, stack_name: str) -> None:
        pass


@dataclass(frozen=True)
class Place:
    """Where the program is, and where the sweep has its files; `environment` is that of `tools/env.sh`."""

    root: Path
    folder: Path
    environment: Mapping[str, str]

    def log(self, stack: str) -> Path:
        return self.folder / f"{stack}.log"

    def events(self, stack: str) -> Path:
        return self.folder / f"{stack}.events"

    def updating(self, stack: str) -> Path:
        """A file that is there while an update of the stack runs, and after one that was killed with its sweep."""
        return self.folder / f"{stack}.updating"

    def stack_file(self, stack: str) -> Path:
        return self.folder / f"Pulumi.{stack}.yaml"


class SweepStack:
    """A stack during one task. Where an update fails, raises FleetError with the reasons that the engine gave."""

    def __init__(self, place: Place, name: str, report: Report = lambda _: None) -> None:
        self.name, self.place, self._report = name, place, report
        self.command = StackCommand(
            place.environment, place.log(name), place.events(name), place.updating(name), self._on_event
        )
        workspace = _Workspace(str(place.root), env_vars=place.environment, pulumi_command=self.command)
        self._stack = Stack.select(name, workspace)
        self._errors: list[str] = []

    def say(self, text: str) -> None:
        """Report what is done, and write it to the stack's log."""
        with suppress(OSError), open_private(self.place.log(self.name), "a") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}\n")
        self._report(Progress(text))

    def create(self) -> None:
        """Create it in the backend if it is missing."""
        with _CREATING:
            create_stack(self.place.root, self.name)

    def state(self) -> str | None:
        """Its state as JSON, with secrets encrypted; None where the backend has no such stack."""
        try:
            return self.command.run(
                ["stack", "export", "--stack", self.name], str(self.place.root), self.place.environment
            ).stdout
        except StackNotFoundError:
            return None
        except CommandError as error:
            raise FleetError(
                f"the state of the stack {self.name} cannot be read; correct the cause that Pulumi gives: {error}"
            ) from error

    def unlock(self) -> None:
        """Remove the lock that a killed update left. There may be none, and then Pulumi says so as an error."""
        try:
            self._stack.cancel()
        except CommandError as error:
            self.say(f"pulumi cancel: {' '.join(str(error).split())}")

    def up(self, config: Mapping[str, Any]) -> str:
        """Create or update it; returns the run that it made or, where nothing has changed since, the one it had."""
        path = self.place.stack_file(self.name)
        try:
            write_stack_file(path, self.name, config)
        except OSError as error:
            raise FleetError(f"{path} cannot be written ({error.strerror}), so the stack is not updated") from error
        updated = self._update(lambda: self._stack.up(config_file=str(path), color="never", show_secrets=False))
        return str(updated.outputs["runId"].value)

    def forget_interrupted(self) -> None:
        """Clear pending creations from the state, and what is gone already."""
        self._update(lambda: self._stack.refresh(**self._options, show_secrets=False, clear_pending_creates=True))

    def destroy(self) -> None:
        self._update(lambda: self._stack.destroy(**self._options, show_secrets=False))

    @property
    def _options(self) -> dict[str, Any]:
        """For what needs no settings of a candidate: the file in the sweep's folder may be damaged, and is replaced.

        Where it cannot be written, Pulumi takes the stack's own.
        """
        path = self.place.stack_file(self.name)
        try:
            write_stack_file(path, self.name)
        except OSError as error:
            self.say(f"{path} cannot be written ({error.strerror}), so the stack's own file is used")
            return {"color": "never"}
        return {"config_file": str(path), "color": "never"}

    def _update(self, update: Callable[[], _Result]) -> _Result:
        self._errors.clear()
        try:
            return update()
        except CommandError as error:
            raise failure_of(self._errors, str(error), str(self.place.log(self.name))) from error

    def _on_event(self, event: Mapping[str, Any]) -> None:
        if error := error_of(event):
            self._errors.append(error)
        elif progress := progress_of(event):
            self._report(progress)


def resources_in(state: str) -> list[str]:
    """The URNs of the resources in a state, and of those that were being created, without the stack itself."""
    deployment = json.loads(state)["deployment"]
    pending = [operation["resource"] for operation in deployment.get("pending_operations") or ()]
    resources = [*(deployment.get("resources") or ()), *pending]
    return [resource["urn"] for resource in resources if resource["type"] != _ROOT_TYPE]


def has_pending_creations(state: str) -> bool:
    pending = json.loads(state)["deployment"].get("pending_operations") or ()
    return any(operation["type"] == "creating" for operation in pending)
