"""What a results store lacks, and what a command skipped in it, as notes and as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from analysis.results.schema.manifest import Manifest
from analysis.results.storage.layout import Problem
from shapebench.output import note


class Skipped(Protocol):
    """What was skipped: files that are wrong, and folders of runs without a manifest."""

    @property
    def problems(self) -> Sequence[Problem]: ...

    @property
    def unfinished(self) -> Sequence[str]: ...


def no_finished_run(uri: str) -> str:
    return f"there is no finished run in {uri}; name another results store, or make a run: `pulumi up --stack local`"


def note_skipped(skipped: Skipped) -> None:
    """Write a line for each to stderr."""
    for problem in skipped.problems:
        note(f"skipped: {problem.path} {problem.why}")
    for folder in skipped.unfinished:
        note(f"unfinished: {folder} has rows and no manifest, so no figure includes its rows")


def skipped_json(skipped: Skipped) -> dict[str, Any]:
    return {
        "problems": [asdict(problem) for problem in skipped.problems],
        "unfinished": list(skipped.unfinished),
    }


def note_excluded(excluded: Iterable[tuple[Manifest, Sequence[str]]], what: str) -> None:
    """Write a line for each run that is not used, such as `not ranked`, to stderr."""
    for manifest, reasons in excluded:
        note(f"{what}: {manifest.run_id} of {manifest.stack}: {'; '.join(reasons)}")


def excluded_json(excluded: Iterable[tuple[Manifest, Sequence[str]]]) -> list[dict[str, Any]]:
    return [{"run_id": run.run_id, "reasons": list(reasons)} for run, reasons in excluded]
