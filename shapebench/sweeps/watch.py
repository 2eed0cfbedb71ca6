"""Shows a sweep while it runs: a table that is redrawn in a terminal; elsewhere a line for each change."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.live import Live

from shapebench.output import PipeConsole, note
from shapebench.sweeps.view import SIMULATED, duration, heading, screen, standing, task_text
from sweep.conductor.snapshot import CandidateView, Observer, Place, Snapshot, StackState, StackView
from sweep.settings import SweepSettings

# How often, at most, a log has the progress of each stack.
_PROGRESS_EVERY_S = 60
_BETWEEN_TASKS = {StackState.creating, StackState.measuring, StackState.up, StackState.destroying}


@contextmanager
def watched(settings: SweepSettings) -> Iterator[Observer]:
    """Where to send each snapshot, to be shown on stderr."""
    console = PipeConsole(stderr=True, highlight=False, emoji=False)
    if not console.is_terminal:
        yield Lines(settings)
        return
    # Redrawn when something changes, and so not while a load test on this machine needs its cores.
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        yield lambda snapshot: live.update(screen(snapshot, settings, console.width, console.height), refresh=True)


class Lines:
    """Prints what has changed since the last snapshot, and the progress of each stack once a minute."""

    def __init__(self, settings: SweepSettings) -> None:
        self._settings = settings
        self._stacks: dict[str, StackView] = {}
        self._candidates: dict[str, CandidateView] = {}
        self._progress_at_s: dict[str, float] = {}
        self._runs = -1
        if settings.simulated:
            note(SIMULATED)

    def __call__(self, snapshot: Snapshot) -> None:
        for line in (*self._changed_stacks(snapshot), *self._changed_candidates(snapshot)):
            note(line)
        if snapshot.finished_runs != self._runs:
            self._runs = snapshot.finished_runs
            note(heading(snapshot, self._settings))

    def _changed_stacks(self, snapshot: Snapshot) -> Iterator[str]:
        for view in snapshot.stacks:
            before, self._stacks[view.stack] = self._stacks.get(view.stack), view
            now_s = snapshot.hours * 3600
            if before is None or (before.state, before.task, before.why) != (view.state, view.task, view.why):
                # Between two tasks it has none.
                if view.task or view.why or view.state not in _BETWEEN_TASKS:
                    yield f"{view.stack}: {_doing(view)}"
            elif now_s - self._progress_at_s[view.stack] < _PROGRESS_EVERY_S or not (progress := _progress(view)):
                continue
            else:
                yield f"{view.stack}: {progress}"
            self._progress_at_s[view.stack] = now_s

    def _changed_candidates(self, snapshot: Snapshot) -> Iterator[str]:
        for objective in snapshot.objectives:
            changed = False
            for view in objective.candidates:
                before, self._candidates[view.candidate.key] = self._candidates.get(view.candidate.key), view
                changed |= before is not None and before.runs != view.runs
                if view.place is not Place.racing and (before is None or before.place is not view.place):
                    yield f"{view.candidate.label}: {view.place.value}{f', {view.why}' if view.why else ''}"
            if changed:
                yield standing(objective)


def _doing(view: StackView) -> str:
    what = f" {task}" if (task := task_text(view)) else ""
    return f"{view.state.value}{what}{f': {view.why}' if view.why else ''}"


def _progress(view: StackView) -> str:
    """What the stack's task is doing now, with the rate and the latency in its text; empty where nothing is known."""
    if view.progress is None:
        return ""
    left = "" if view.task_left_s is None else f", about {duration(view.task_left_s)} left"
    return view.progress.text + left
