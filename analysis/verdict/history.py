"""The capacity and cost of a stack at each commit that it was measured at."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby

from analysis.objective import Objective
from analysis.results.manifest import Manifest
from analysis.results.store import ResultsStore
from analysis.verdict.latest import Excluded, Latest, figures, newest_searches, objective_of_search


def read_history(
    store: ResultsStore, runs: Iterable[Manifest], most: int
) -> tuple[dict[str, tuple[Latest, ...]], tuple[Excluded, ...]]:
    """By stack, the newest variant at each of its last commits, at most so many, the newest first. Reads rows.

    A figure is of the runs of its commit alone, at the objective of the stack's newest search. How much deployments
    differ is estimated from all commits together. With the searches of these commits that are not used.
    """
    of_commit: dict[tuple[str, str], list[Manifest]] = defaultdict(list)
    for run in runs:
        of_commit[run.stack, run.git_commit or ""].append(run)
    searches = [found for group in of_commit.values() for found in newest_searches(group).values()]
    newest_first = sorted(searches, key=lambda found: found[-1].run_id, reverse=True)
    last = {
        f"{stack} {of_stack[-1].git_commit}": (stack, of_stack)
        for stack, found in groupby(sorted(newest_first, key=_stack), key=_stack)
        for of_stack in list(found)[:most]
    }
    objectives: dict[str, Objective] = {}
    for stack, found in last.values():
        objectives.setdefault(stack, objective_of_search(found[-1]))
    known, excluded = figures(
        store,
        {key: found for key, (_, found) in last.items()},
        {key: objectives[stack] for key, (stack, _) in last.items()},
    )
    history: dict[str, tuple[Latest, ...]] = {}
    for key, latest in known.items():
        stack, _ = last[key]
        history[stack] = (*history.get(stack, ()), latest)
    return history, excluded


def _stack(runs: tuple[Manifest, ...]) -> str:
    return runs[-1].stack
