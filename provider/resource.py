"""What a resource of this plugin is, in plain values: the base class, the operation it runs in, the error it raises."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar

Props = dict[str, Any]
"""Properties as plain values: str, float, bool, None, list, dict, and UNKNOWN where a preview cannot know yet."""


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()
"""A value that the engine computes later: some resource that it comes from has not been made yet."""


class ResourceError(Exception):
    """An operation failed for a reason that the user can act on; shown without a traceback."""


class UnfinishedError(ResourceError):
    """An update failed so that what was there before does not hold any more; the state becomes `state`."""

    def __init__(self, message: str, state: Props) -> None:
        super().__init__(message)
        self.state = state


@dataclass
class Operation:
    """One create, update or delete while it runs.

    `say` writes a line that stays, `show` one that the next replaces. `cancelled` is set when the user gave up or the
    engine is gone; whoever sees it stops what it started, keeps what it measured, and raises ResourceError.
    """

    say: Callable[[str], None]
    show: Callable[[str], None]
    cancelled: threading.Event = field(default_factory=threading.Event)


class Resource(ABC):
    """A kind of resource. Inputs and outputs are `Props`; outputs always contain the inputs they were made from."""

    token: ClassVar[str]
    """Pulumi's name of the kind, `package:module:Name`."""

    triggers: ClassVar[Collection[str]]
    """The inputs whose change calls for an update; a change of any other is only written down."""

    def check(self, inputs: Props) -> Props:
        """Inputs with what they leave open filled in; raises ResourceError where they cannot work."""
        return inputs

    def changed(self, state: Props, inputs: Props) -> list[str]:
        """Which properties call for an update, given the outputs in the state and the new inputs."""
        return [name for name in sorted(self.triggers) if state.get(name) != inputs.get(name)]

    def preview(self, inputs: Props) -> Props:
        """The outputs that are known before anything is done."""
        return inputs

    @abstractmethod
    def create(self, inputs: Props, operation: Operation) -> Props:
        """Make it; returns the outputs."""

    @abstractmethod
    def update(self, state: Props, inputs: Props, operation: Operation) -> Props:
        """Change it in place; returns the outputs."""

    def read(self, state: Props) -> Props | None:
        """The outputs as they are now, or None when it is gone."""
        return state

    def delete(self, state: Props, operation: Operation) -> None:  # noqa: B027 - most kinds leave their results
        """Unmake it; a kind that keeps its results does nothing."""
