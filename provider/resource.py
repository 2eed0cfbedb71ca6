"""The base of every kind of resource: typed inputs and state, the operation it runs in, and its errors."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import ConfigDict, ValidationError, ValidatorFunctionWrapHandler, field_validator

from stacks.frozen import Frozen

Props = dict[str, Any]
"""Properties as the engine sends them, in plain values: str, int, float, bool, None, list, dict and UNKNOWN."""


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = _Unknown()
"""A value in a preview that the engine computes later: the resource that it comes from does not exist yet."""


class ResourceError(Exception):
    """An operation failed for a reason that the user can act on; shown without a traceback."""


class PartialFailureError(ResourceError):
    """An update failed after it changed something; the engine stores `state` and updates the resource next time."""

    def __init__(self, message: str, state: Props) -> None:
        super().__init__(message)
        self.state = state


class _Properties(Frozen):
    @classmethod
    def parse(cls, properties: Props) -> Self:
        """The typed properties; raises ResourceError, which names each property that is wrong."""
        try:
            return cls.model_validate(properties)
        except ValidationError as error:
            # Without the values: an access token may be among them.
            wrong = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)]
            raise ResourceError(
                f"{cls.__name__} does not accept {'; '.join(wrong)}. The program and its plugin do not match, so"
                " nothing was done; run both from the same checkout"
            ) from None


class ResourceInputs(_Properties):
    """Inputs of one kind of resource. In a preview a field may be UNKNOWN, whatever its type says."""

    @field_validator("*", mode="wrap")
    @classmethod
    def _allow_unknown(cls, value: Any, validate: ValidatorFunctionWrapHandler) -> Any:  # noqa: ANN401 - any field
        return UNKNOWN if has_unknown(value) else validate(value)


class ResourceState(_Properties):
    """What a kind of resource reads of its state. The rest is ignored, so that states of earlier versions are read."""

    model_config = ConfigDict(extra="ignore")


@dataclass
class Operation:
    """One create, update or delete while it runs.

    `info` logs a line, `status` shows one that the next line replaces. `cancelled` is set when the user interrupts the
    update or the engine is gone: the operation then stops what it started, keeps what it measured, and raises
    ResourceError.
    """

    info: Callable[[str], None]
    status: Callable[[str], None]
    cancelled: threading.Event = field(default_factory=threading.Event)


Inputs = TypeVar("Inputs", bound=ResourceInputs)
State = TypeVar("State", bound=ResourceState)


class Resource(ABC, Generic[Inputs, State]):
    """A kind of resource. The engine calls its methods with properties; subclasses override the hooks with typed ones.

    The outputs are the inputs that are no secrets, and what a hook returns.
    """

    token: ClassVar[str]
    """Pulumi's name of the kind, `package:module:Name`."""

    inputs: type[Inputs]
    state: type[State]

    triggers: ClassVar[Collection[str]]
    """The inputs whose change causes an update; a change of any other is only stored."""

    secrets: ClassVar[Collection[str]] = ()
    """Inputs that are no outputs: the state has them once, among the inputs, where they are encrypted."""

    def check(self, inputs: Props) -> Props:
        """The inputs, with those that the plugin decides on; raises ResourceError where they are wrong."""
        self.inputs.parse(inputs)
        return inputs

    def changed(self, state: Props, inputs: Props) -> list[str]:
        """The properties that cause an update, given the outputs in the state and the new inputs."""
        changed = [name for name in sorted(self.triggers) if state.get(name) != inputs.get(name)]
        return [*changed, *self.stale_outputs(self.state.parse(state))]

    def preview(self, inputs: Props) -> Props:
        """The outputs that are known before anything is done."""
        return self.stored_inputs(inputs) | self.known_outputs(self.inputs.parse(inputs))

    def create(self, inputs: Props, operation: Operation) -> Props:
        return self.stored_inputs(inputs) | self.run_create(self.inputs.parse(inputs), operation)

    def update(self, state: Props, inputs: Props, operation: Operation) -> Props:
        outputs = self.run_update(self.state.parse(state), self.inputs.parse(inputs), operation)
        return self.stored_inputs(inputs) | outputs

    def read(self, state: Props) -> Props | None:
        """The outputs as they are now, or None when it is gone."""
        return state if self.exists(self.state.parse(state)) else None

    def delete(self, state: Props, operation: Operation) -> None:
        self.run_delete(self.state.parse(state), operation)

    def stored_inputs(self, inputs: Props) -> Props:
        """The inputs that are outputs, too."""
        return {name: value for name, value in inputs.items() if name not in self.secrets}

    def stale_outputs(self, state: State) -> list[str]:  # noqa: ARG002 - a hook
        """Hook: the outputs that are no longer true, which causes an update."""
        return []

    def known_outputs(self, inputs: Inputs) -> Props:  # noqa: ARG002 - a hook
        """Hook: what a preview knows of the outputs."""
        return {}

    @abstractmethod
    def run_create(self, inputs: Inputs, operation: Operation) -> Props:
        """Hook: create it; returns the outputs that are no inputs."""

    def run_update(self, state: State, inputs: Inputs, operation: Operation) -> Props:  # noqa: ARG002 - a hook
        """Hook: update it; by default it is created anew."""
        return self.run_create(inputs, operation)

    def exists(self, state: State) -> bool:  # noqa: ARG002 - a hook
        """Hook: whether it still exists."""
        return True

    def run_delete(self, state: State, operation: Operation) -> None:
        """Hook: delete it; by default nothing is done."""


def has_unknown(value: object) -> bool:
    """Whether a value, or one inside it, is computed later."""
    if isinstance(value, Mapping):
        return any(map(has_unknown, value.values()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return any(map(has_unknown, value))
    return value is UNKNOWN
