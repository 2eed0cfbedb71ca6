"""The progress of a load test, in the engine's display and where a team looks."""

from collections.abc import Callable

from loadtest.run.progress import Progress
from provider.live_metrics import LiveMetrics
from provider.resource import Operation

# Where the output is no terminal, each report of progress is a line: some twenty of a test, and more of a long one.
_REPORTS, _LONGEST_INTERVAL_S = 20, 15.0


def progress_reporter(operation: Operation, live: LiveMetrics | None = None) -> Callable[[Progress], None]:
    """Shows a report as the status when something begins, and after that now and then; `live` gets each."""
    shown: Progress | None = None

    def report(progress: Progress) -> None:
        nonlocal shown
        if live:
            live.progress(progress)
        if shown is None or _is_news(progress, shown):
            shown = progress
            operation.status(_progress_line(progress))

    return report


def _is_news(progress: Progress, shown: Progress) -> bool:
    interval_s = min(progress.total_s / _REPORTS, _LONGEST_INTERVAL_S)
    answers_began = shown.p50_ms is None and progress.p50_ms is not None
    return answers_began or progress.phase != shown.phase or progress.elapsed_s - shown.elapsed_s >= interval_s


def _progress_line(progress: Progress) -> str:
    """The most important first, because Pulumi cuts what does not fit into the last column of its table."""
    response = "no answer yet" if progress.p99_ms is None else f"p99 {progress.p99_ms:.0f} ms"
    p50 = "" if progress.p50_ms is None else f", p50 {progress.p50_ms:.0f} ms"
    return (
        f"{progress.elapsed_s:.0f}/{progress.total_s:.0f} s {progress.phase or 'starting'}, {progress.rps:.1f}/s,"
        f" {response}, {progress.errors} failed{p50}, {progress.users} users"
    )
