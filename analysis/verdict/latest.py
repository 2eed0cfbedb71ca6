"""The newest capacity and cost of each stack: of its newest variant, from all capacity searches of that variant."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any

from analysis.capacity.evidence import Evidence
from analysis.comparability import BUILD, CONDITIONS, comparison_key
from analysis.formatting import stack_and_serving_name
from analysis.interval import Interval
from analysis.objective import Asked, Objective, objective_of
from analysis.parallel import for_each
from analysis.pricing.cost import why_unpriced
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from analysis.statistics.estimate import Price, known_price_of
from analysis.statistics.read import UNKNOWN_REASON
from analysis.verdict.capacity import Capacity, Told, capacities
from analysis.verdict.variants import variant_key
from analysis.verdict.verdict import Judged, read_and_judge

# What a change may change on purpose, besides the variant; the other conditions must be equal in two measurements.
# A search that is not used, and why.
Excluded = tuple[Manifest, tuple[str, ...]]
ENVIRONMENT = tuple(each for each in CONDITIONS if each not in BUILD)


@dataclass(frozen=True)
class Latest:
    """The newest variant of a stack at an objective. `manifests` are its searches, in the order of time."""

    manifests: tuple[Manifest, ...]
    objective: Objective
    capacity: Capacity

    @property
    def newest(self) -> Manifest:
        return self.manifests[-1]

    @property
    def measured_at(self) -> datetime:
        return self.newest.finished_at

    @property
    def is_rehearsal(self) -> bool:
        """Whether it is of the stack `local`, so that it says nothing about a node shape."""
        return self.newest.platform == "local"

    @property
    def price(self) -> Price:
        return known_price_of(self.newest)

    @property
    def usd_hourly(self) -> float:
        return self.price.usd_hourly

    @property
    def usd_per_million(self) -> Interval[float | None]:
        """Per million predictions, at capacity."""
        return self.price.usd_per_million(self.capacity.rps)

    def to_dict(self) -> dict[str, Any]:
        return {
            "variant": stack_and_serving_name(self.newest),
            "rehearsal": self.is_rehearsal,
            "measured_at": self.measured_at.isoformat(),
            "commit": self.newest.git_commit,
            "objective": self.objective.text,
            "capacity_rps": self.capacity.rps.to_dict(),
            "usd_per_million": self.usd_per_million.to_dict(),
            **self.price.of_requests(self.capacity.rps),
            "usd_hourly": self.usd_hourly,
            "prices_as_of": self.newest.cost.prices_as_of,
            "deployments": self.capacity.deployments,
            "runs": self.capacity.runs,
        }


class SearchReader:
    """What the searches in a store say of a capacity, of which each is read once for an objective."""

    def __init__(self, store: ResultsStore) -> None:
        self._store = store
        self._judged: dict[tuple[str, Objective], Judged] = {}

    def told_of(self, runs: Iterable[Manifest], objective: Objective) -> tuple[tuple[Told, ...], tuple[Excluded, ...]]:
        """The runs that say something of the capacity at the objective, and what; and the others. Reads their rows."""
        runs = tuple(runs)
        unread = tuple(run for run in runs if (run.run_id, objective) not in self._judged)
        for judged in for_each(partial(read_and_judge, self._store, objective), unread):
            self._judged[judged.manifest.run_id, objective] = judged
        told, excluded = list[Told](), list[Excluded]()
        for run in (self._judged[run.run_id, objective] for run in runs):
            if run.reasons or not isinstance(run.said, Evidence):
                excluded.append((run.manifest, run.why_excluded))
            else:
                told.append((run.manifest, run.said))
        return tuple(told), tuple(excluded)


def read_latest(reader: SearchReader, runs: Iterable[Manifest]) -> tuple[dict[str, Latest], tuple[Excluded, ...]]:
    """By stack, of the `runs` in the store, and the searches that are not used. Reads rows of the runs.

    A stack without a valid search is not in it.
    """
    runs = tuple(runs)
    searches = newest_searches(runs)
    objectives = {stack: objective_of_search(runs[-1]) for stack, runs in searches.items()}
    found, left_out = figures(reader, searches, objectives)
    return found, (*unusable(runs), *left_out)


def figures(
    reader: SearchReader, searches: Mapping[str, Sequence[Manifest]], objectives: Mapping[str, Objective]
) -> tuple[dict[str, Latest], tuple[Excluded, ...]]:
    """Of each set of searches of a variant, of those under the conditions of its newest; and what is not used."""
    read = {key: reader.told_of(_like_the_newest(found), objectives[key]) for key, found in searches.items()}
    told = {key: found for key, (found, _) in read.items() if found}
    known, _ = capacities(told)
    excluded = tuple(each for _, left_out in read.values() for each in left_out)
    return {key: latest(found, objectives[key], known[key]) for key, found in told.items()}, excluded


def newest_searches(manifests: Iterable[Manifest]) -> dict[str, tuple[Manifest, ...]]:
    """By stack, the valid searches of the variant and the server that were searched last, in the order of time."""
    stacks: dict[str, list[Manifest]] = defaultdict(list)
    for manifest in sorted(manifests, key=attrgetter("run_id")):
        if manifest.capacity and not _why_unusable(manifest):
            stacks[manifest.stack].append(manifest)
    return {
        stack: tuple(run for run in runs if _settings_key(run) == _settings_key(runs[-1]))
        for stack, runs in stacks.items()
    }


def objective_of_search(run: Manifest) -> Objective:
    return objective_of(Asked(), [run])


def unusable(manifests: Iterable[Manifest]) -> tuple[Excluded, ...]:
    """The searches that no figure is of: invalid, or without a price."""
    return tuple((run, why) for run in manifests if run.load.mode == "capacity" and (why := _why_unusable(run)))


def _why_unusable(run: Manifest) -> tuple[str, ...]:
    if run.validity.verdict == "invalid":
        return run.validity.reasons or (UNKNOWN_REASON,)
    if run.capacity and run.cost.hourly is None:
        return (f"{why_unpriced(run.cost)}, so its cost is not known",)
    return () if run.capacity else ("it found no capacity",)


def latest(told: Sequence[Told], objective: Objective, capacity: Capacity) -> Latest:
    return Latest(tuple(manifest for manifest, _ in told), objective, capacity)


def by_environment(runs: Iterable[Manifest]) -> Mapping[tuple[str, ...], tuple[Manifest, ...]]:
    """The runs that ran under the same conditions but for the server's build, whose newest is the newest first."""
    groups: dict[tuple[str, ...], tuple[Manifest, ...]] = defaultdict(tuple)
    for run in runs:
        groups[comparison_key(run, ENVIRONMENT)] += (run,)
    return dict(sorted(groups.items(), key=lambda each: each[1][-1].run_id, reverse=True))


def _like_the_newest(runs: Sequence[Manifest]) -> tuple[Manifest, ...]:
    return next(iter(by_environment(runs).values()))


def _settings_key(run: Manifest) -> tuple[str, ...]:
    return (variant_key(run), *comparison_key(run, BUILD))
