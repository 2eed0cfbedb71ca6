"""The base of both load tests: what the state holds after a failed one, and its progress in the engine's display."""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, TypeVar

from loadtest.result.outcome import Progress
from provider.load_test_inputs import LoadTestInputs
from provider.record.repeats import RunOnce, median_run, run_repeats
from provider.record.store_check import require_writable
from provider.resource import Operation, PartialFailureError, Props, Resource, ResourceError, ResourceState

# Where the output is no terminal, each report of progress is a line: some twenty of a test, and more of a long one.
_REPORTS, _LONGEST_INTERVAL_S = 20, 15.0


class LoadTestState(ResourceState):
    """The finished run; a load test that failed has none."""

    run_id: str | None = None


Inputs = TypeVar("Inputs", bound=LoadTestInputs)


class LoadTest(Resource[Inputs, LoadTestState]):
    """Outputs: runId, headline and summary of the median run, and runIds of all.

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
        return {
            "runId": shown.run_id,
            "headline": shown.headline,
            "summary": f"median of {len(runs)} runs: {shown.summary}" if len(runs) > 1 else shown.summary,
            "runIds": [run.run_id for run in runs],
        }


def progress_reporter(operation: Operation) -> Callable[[Progress], None]:
    """Shows a report as the status when something begins, and after that now and then."""
    shown: Progress | None = None

    def report(progress: Progress) -> None:
        nonlocal shown
        if shown is None or _is_news(progress, shown):
            shown = progress
            operation.status(_progress_line(progress))

    return report


def _is_news(progress: Progress, shown: Progress) -> bool:
    interval_s = min(progress.total_s / _REPORTS, _LONGEST_INTERVAL_S)
    answers_began = shown.p50_ms is None and progress.p50_ms is not None
    return answers_began or progress.phase != shown.phase or progress.elapsed_s - shown.elapsed_s >= interval_s


def _progress_line(progress: Progress) -> str:
    answered = progress.p50_ms is not None and progress.p99_ms is not None
    response = f"p50 {progress.p50_ms:.0f} ms, p99 {progress.p99_ms:.0f} ms" if answered else "no answer yet"
    return (
        f"{progress.elapsed_s:.0f} s of {progress.total_s:.0f} s, {progress.phase or 'starting'}:"
        f" {progress.users} users, {progress.rps:.1f} requests/s, {response},"
        f" {progress.errors} of {progress.requests} failed"
    )
