"""The base of both load tests: what the state holds after a failed one, and its progress in the engine's display."""

import time
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeVar

from loadtest.result.outcome import Progress
from provider.load_test_inputs import LoadTestInputs
from provider.record.repeats import RunOnce, median_run, run_repeats
from provider.record.store_check import require_writable
from provider.resource import Operation, PartialFailureError, Props, Resource, ResourceError, ResourceState

_INFO_INTERVAL_S = 10.0


class LoadTestState(ResourceState):
    """The finished run; a load test that failed has none."""

    run_id: str | None = None


Inputs = TypeVar("Inputs", bound=LoadTestInputs)


class LoadTest(Resource[Inputs, LoadTestState]):
    """Outputs: runId and headline of the median run, and runIds of all.

    After a failed update the server may be another, so neither the earlier run nor the new one holds. The state then
    has the new inputs and no run, and the next update runs the test again, whatever its settings.
    """

    state = LoadTestState
    triggers: ClassVar[frozenset[str]] = frozenset(
        {"baseUrl", "fingerprint", "freshDeployment", "processes", "profile", "repeats", "rerun", "shape"}
    )

    @abstractmethod
    def prepare(self, inputs: Inputs, operation: Operation) -> RunOnce:
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
        require_writable(inputs.results)
        runs = run_repeats(inputs.repeats, operation, self.prepare(inputs, operation))
        shown = median_run(runs, rate_is_fixed=inputs.profile.rate_is_fixed)
        return {"runId": shown.run_id, "headline": shown.headline, "runIds": [run.run_id for run in runs]}


def progress_reporter(operation: Operation) -> Callable[[Progress], None]:
    """Shows every report as the status, and logs one in ten seconds."""
    last_info_s = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal last_info_s
        line = _progress_line(progress)
        operation.status(line)
        if time.monotonic() - last_info_s >= _INFO_INTERVAL_S:
            last_info_s = time.monotonic()
            operation.info(line)

    return report


def _progress_line(progress: Progress) -> str:
    p50 = "no answer yet" if progress.p50_ms is None else f"p50 {progress.p50_ms:.0f} ms"
    return (
        f"{progress.elapsed_s:.0f} s of {progress.total_s:.0f} s, {progress.phase or 'starting'}:"
        f" {progress.users} users, {progress.rps:.1f} requests/s, {p50},"
        f" {progress.errors} of {progress.requests} failed"
    )
