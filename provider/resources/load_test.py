"""The base of both load tests, and what the state holds after a failed one."""

from abc import abstractmethod
from typing import Generic, TypeVar

from provider.load_test_inputs import LoadTestInputs
from provider.record.repeats import RunOnce, median_run, run_repeats, summary_of
from provider.record.store_check import require_writable
from provider.resource import (
    Operation,
    PartialFailureError,
    Props,
    Resource,
    ResourceError,
    ResourceInputs,
    ResourceState,
)

TRIGGERS = frozenset(
    {"baseUrl", "fingerprint", "freshDeployment", "model", "profile", "repeats", "rerun", "shape"}
    | {"payloadDigest", "checkAnswers", "tolerance", "pods", "processes"}
)
"""The inputs of a stack's load test whose change measures again."""


class LoadTestState(ResourceState):
    """The finished run; a load test that failed has none."""

    run_id: str | None = None


Inputs = TypeVar("Inputs", bound=ResourceInputs)
Test = TypeVar("Test", bound=LoadTestInputs)


class LoadTest(Resource[Inputs, LoadTestState], Generic[Inputs, Test]):
    """Outputs: runId, headline and summary of the median run, and runIds of all.

    After a failed update the server may be another, so neither the earlier run nor the new one holds. The state then
    has the new inputs and no run, and the next update runs the test again, whatever its settings.
    """

    state = LoadTestState

    @abstractmethod
    def test_of(self, inputs: Inputs, operation: Operation) -> Test:
        """The test that these inputs describe; raises ResourceError where nothing can be measured."""

    @abstractmethod
    def prepare(self, test: Test, operation: Operation) -> RunOnce:
        """Prepare the test; returns the function that runs it once, stores the run and raises where it failed."""

    def stale_outputs(self, state: LoadTestState) -> list[str]:
        """The run, where there is none."""
        return [] if state.run_id else ["runId"]

    def update(self, state: Props, inputs: Props, operation: Operation) -> Props:
        try:
            return super().update(state, inputs, operation)
        except ResourceError as error:
            raise PartialFailureError(str(error), self.stored_inputs(inputs)) from error

    def run_create(self, inputs: Inputs, operation: Operation) -> Props:
        test = self.test_of(inputs, operation)
        require_writable(test.results)
        runs = run_repeats(test.repeats, operation, self.prepare(test, operation))
        shown = median_run(runs, rate_is_fixed=test.profile.rate_is_fixed)
        return {
            "runId": shown.run_id,
            "headline": shown.headline,
            "summary": summary_of(runs, shown),
            "runIds": [run.run_id for run in runs],
        }
