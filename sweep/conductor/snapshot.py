"""Snapshots of a sweep for the live view, and its outcome."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from stacks.load.load_profiles import CapacitySearch
from sweep.candidates import Candidate
from sweep.fleet import Progress
from sweep.tasks import Task


class StackState(StrEnum):
    """What a stack is doing. The value is the text of the live view."""

    waiting = "waiting"  # for a place among the stacks that may be up at once, or for quota
    looking = "looking for a run that was cut off"
    creating = "creating"  # and measuring the first candidate
    measuring = "measuring"
    up = "up"  # and no run to make now
    pausing = "pausing before another attempt"
    destroying = "destroying"
    destroyed = "destroyed"
    failed = "failed"  # destroyed, and no more runs
    left = "not destroyed"  # something may be left


class Place(StrEnum):
    """Where a candidate stands. As `sweep.strategy.Standing`, and two more.

    `may_be_best` was eliminated, but not because another is certainly cheaper; a verdict on its runs says the same.
    """

    racing = "racing"
    may_be_best = "may be best"
    eliminated = "eliminated"
    chosen = "chosen"
    failed = "failed"


class Ending(StrEnum):
    """Why a sweep begins no more tasks."""

    decided = "decided"
    all_failed = "no candidate could be measured"
    max_usd = "--max-usd reached"
    max_hours = "--max-hours reached"
    undecided = "no more runs can be made"
    lost = "runs are missing in the results store"
    interrupted = "interrupted"
    error = "an error in shapebench itself"
    journal = "the journal cannot be written"


@dataclass(frozen=True)
class StackView:
    """A stack now. `usd` is what it has cost so far; None without a price. `why` is an error or what it waits for."""

    stack: str
    state: StackState
    task: Task | None = None
    progress: Progress | None = None
    task_for_s: float = 0
    task_left_s: float | None = None
    usd: float | None = None
    why: str = ""


@dataclass(frozen=True)
class CandidateView:
    """A candidate now.

    `usd_per_million` is the geometric mean of its `runs` finished runs, or where nodes get their CPU models by chance
    what these say is to be expected of the mix; None without one.
    `behind` is how much dearer than the leader it is, as a share (0.07 for 7 %); None without runs, 0 for the leader.
    `at_least`: its figures are lower bounds of the cost, since no rate that was tried met the objective.
    `instances` is the mean number of predictions that a request of its newest run asks for.
    """

    candidate: Candidate
    place: Place
    runs: int
    usd_per_million: float | None
    behind: float | None
    at_least: bool
    why: str
    instances: float = 1.0


@dataclass(frozen=True)
class ObjectiveView:
    """The candidates that compete for one objective, in the order that was asked for."""

    load: CapacitySearch
    candidates: tuple[CandidateView, ...]
    leader: CandidateView | None
    claim: str
    is_decided: bool

    @property
    def second(self) -> CandidateView | None:
        """The next after the leader, of those with a cost."""
        others = [
            candidate
            for candidate in self.candidates
            if candidate is not self.leader
            and candidate.behind is not None
            and not candidate.at_least
            and candidate.place is not Place.failed
        ]
        return min(others, key=lambda candidate: candidate.behind or 0.0, default=None)

    @property
    def lead(self) -> float | None:
        """How much dearer the second candidate is, as a share; None without a second."""
        return self.second.behind if self.second else None


@dataclass(frozen=True)
class Snapshot:
    """A sweep now. `usd` is all that was spent, of the stacks that have a price; `unpriced` are the others.

    `hours` is how long the sweep has worked. `left_at_most_s` is until the end, if no more candidates are eliminated.
    """

    sweep_id: str
    stacks: tuple[StackView, ...]
    objectives: tuple[ObjectiveView, ...]
    finished_runs: int
    hours: float
    usd: float
    unpriced: tuple[str, ...]
    left_at_most_s: float
    ending: Ending | None
    simulated: bool


Observer = Callable[[Snapshot], None]


@dataclass(frozen=True)
class Outcome:
    """The end of a sweep. `last` has standings, money and failed stacks.

    `leftovers` are by stack what is left after it was destroyed, each with how to remove it. `may_be_up` are stacks of
    which it is not certain that they are destroyed, with the reason. `error` is a mistake in the program. `notes` are
    about runs that the results store no longer has.
    """

    ending: Ending
    message: str
    last: Snapshot
    leftovers: Mapping[str, tuple[str, ...]]
    may_be_up: Mapping[str, str]
    error: Exception | None = None
    notes: tuple[str, ...] = ()
