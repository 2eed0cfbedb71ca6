"""The capacity and cost of a stack at each commit that it was measured at."""

from collections import defaultdict
from collections.abc import Iterable

from analysis.objective import Objective
from analysis.results.schema.manifest import Manifest
from analysis.verdict.latest import Excluded, Latest, SearchReader, figures, newest_searches, objective_of_search


def read_history(
    reader: SearchReader, runs: Iterable[Manifest], most: int
) -> tuple[dict[str, tuple[Latest, ...]], tuple[Excluded, ...]]:
    """By stack, the newest variant at each of its last commits, at most so many, the newest first. Reads rows.

    A figure is of the runs of its commit alone, at the objective of the stack's newest search. How much deployments
    differ is estimated from all commits together. With the searches of these commits that are not used.
    """
    of_commit: dict[tuple[str, str], list[Manifest]] = defaultdict(list)
    for run in runs:
        of_commit[run.stack, run.git_commit or ""].append(run)
    of_stack: dict[str, list[tuple[Manifest, ...]]] = defaultdict(list)
    for group in of_commit.values():
        for stack, found in newest_searches(group).items():
            of_stack[stack].append(found)
    searches: dict[str, tuple[Manifest, ...]] = {}
    objectives: dict[str, Objective] = {}
    for stack, of_commits in sorted(of_stack.items()):
        newest_first = sorted(of_commits, key=lambda found: found[-1].run_id, reverse=True)[:most]
        for found in newest_first:
            key = f"{stack} {found[-1].git_commit}"
            searches[key], objectives[key] = found, objective_of_search(newest_first[0][-1])
    known, excluded = figures(reader, searches, objectives)
    history: dict[str, tuple[Latest, ...]] = defaultdict(tuple)
    for latest in known.values():
        history[latest.newest.stack] += (latest,)
    return dict(history), excluded
