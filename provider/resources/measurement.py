"""A load test as a resource, wherever it runs: what the engine is told of one that failed."""

from abc import abstractmethod
from typing import ClassVar

from provider.resource import Operation, Props, Resource, ResourceError, UnfinishedError

# Every test that was finished has one.
_RUN_ID = "runId"


class Measurement(Resource):
    """Outputs: its inputs, runId, headline and runIds; a test that failed has its inputs alone.

    A failed update leaves neither the earlier test nor the new one, for the server may be another by then. So the state
    gets the new inputs and no run, and whatever the settings are next time, the test is run again.
    """

    unkept: ClassVar[frozenset[str]] = frozenset()
    """Inputs that are no outputs: the state has them once, among the inputs, where secrets are encrypted."""

    @abstractmethod
    def measure(self, inputs: Props, operation: Operation) -> Props:
        """Run the test and keep it; returns runId, headline and runIds. Raises ResourceError where it failed."""

    def changed(self, state: Props, inputs: Props) -> list[str]:
        changed = super().changed(state, inputs)
        return changed if _RUN_ID in state else [*changed, _RUN_ID]

    def create(self, inputs: Props, operation: Operation) -> Props:
        return self._kept(inputs) | self.measure(inputs, operation)

    def update(self, state: Props, inputs: Props, operation: Operation) -> Props:  # noqa: ARG002 - a new run
        try:
            return self.create(inputs, operation)
        except ResourceError as error:
            raise UnfinishedError(str(error), self._kept(inputs)) from error

    def _kept(self, inputs: Props) -> Props:
        return {name: value for name, value in inputs.items() if name not in self.unkept}
