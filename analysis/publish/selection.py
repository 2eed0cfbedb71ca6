"""Which runs of the contributed stores may be published, and why the others are left out."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from analysis.parallel import for_each
from analysis.results.run.columns import read_columns
from analysis.results.run.disturbance import disturbance_reason, was_disturbed
from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore, Scan
from analysis.statistics.read import why_invalid

_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIRTY = "-dirty"


class Why(StrEnum):
    """Why a run is left out, in the words of the page: it has no reason in full, which may name machines."""

    damaged = "damaged"
    unfinished = "unfinished"
    unreadable = "not readable as a run"
    unverified = "not verified"
    invalid = "invalid"
    disturbed = "disturbed by other programs"
    changed = "of a checkout with changes"
    no_commit = "of no known commit"
    twice = "with an id that another run has"


@dataclass(frozen=True)
class LeftOut:
    """A run, by its id, or a file or a folder, by its path in the store. `reason` may have names: it is not public."""

    store: str
    what: str
    why: Why
    reason: str


@dataclass(frozen=True)
class Contributed:
    """A run that may be published, and its store."""

    store: ResultsStore
    manifest: Manifest


@dataclass(frozen=True)
class Selection:
    """The runs that may be published, in the order of their ids, and what is left out."""

    runs: tuple[Contributed, ...]
    left_out: tuple[LeftOut, ...]


def select(uris: Iterable[str]) -> Selection:
    """Read and verify every run of the stores. Raises StoreError where one cannot be read."""
    runs: list[Contributed] = []
    left_out: list[LeftOut] = []
    for uri in dict.fromkeys(uris):
        store = ResultsStore(uri)
        scan = store.scan()
        reasons = for_each(partial(_why_not, store), scan.manifests)
        judged = list(zip(scan.manifests, reasons, strict=True))
        runs += [Contributed(store, manifest) for manifest, found in judged if found is None]
        left_out += [LeftOut(uri, manifest.run_id, *found) for manifest, found in judged if found]
        left_out += _not_runs(uri, scan, [reason for _, reason in filter(None, reasons)])
    once, twice = _of_one_content(runs)
    return Selection(once, (*left_out, *twice))


def _why_not(store: ResultsStore, manifest: Manifest) -> tuple[Why, str] | None:
    """The reason against a run: first what its figures rest on, then what its recipe needs."""
    rows = read_columns(store, manifest)
    if rows.missing:
        return Why.damaged, "; ".join(rows.missing)
    if reasons := why_invalid(manifest, rows):
        return Why.disturbed if was_disturbed(reasons) else Why.invalid, "; ".join(reasons)
    if reason := disturbance_reason(manifest.other_cpu):
        return Why.disturbed, f"{reason}; SHAPEBENCH_OTHER_PROGRAMS let it pass as valid"
    return _why_not_public(manifest)


def _why_not_public(manifest: Manifest) -> tuple[Why, str] | None:
    if manifest.files is None:
        return Why.unverified, "its manifest has no digests of its files; measure again with this version"
    commit = manifest.git_commit
    if commit is not None and commit.endswith(_DIRTY):
        return Why.changed, f"it ran with changes that commit {commit[:10]} does not have; commit them, and run again"
    if commit is None or not _COMMIT.fullmatch(commit):
        return Why.no_commit, "nobody can check out what it ran with; run again from a git checkout"
    return None


def _not_runs(uri: str, scan: Scan, reasons: Sequence[str]) -> Iterator[LeftOut]:
    """Files that are wrong and that no reason against a run names, and unfinished runs."""
    for problem in scan.problems:
        if not any(problem.path in reason for reason in reasons):
            yield LeftOut(uri, problem.path, Why.unreadable, problem.why)
    for folder in scan.unfinished:
        yield LeftOut(uri, folder, Why.unfinished, "it has rows and no manifest")


def _of_one_content(runs: Sequence[Contributed]) -> tuple[tuple[Contributed, ...], list[LeftOut]]:
    """Each run once: copies in several stores are one run, and of different runs with one id none is published."""
    by_id: dict[str, list[Contributed]] = defaultdict(list)
    for run in runs:
        by_id[run.manifest.run_id].append(run)
    differing = [
        same for same in by_id.values() if any(contributed.manifest != same[0].manifest for contributed in same)
    ]
    return (
        tuple(same[0] for _, same in sorted(by_id.items()) if same not in differing),
        [
            LeftOut(
                contributed.store.uri,
                contributed.manifest.run_id,
                Why.twice,
                "the stores have two manifests of this id; remove one",
            )
            for same in differing
            for contributed in same
        ],
    )
