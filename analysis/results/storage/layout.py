"""Where the files of a run are in a store, and which of them are missing or not named by its manifest."""

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from analysis.results.schema.manifest import Manifest, StoredFile
from analysis.results.schema.plain_text import quoted
from analysis.results.storage.file_system import HALF_WRITTEN

MANIFEST = re.compile(r"runs/stack=(?P<stack>[A-Za-z0-9._-]+)/(?P<run_id>[0-9A-HJKMNP-TV-Z]{26})\.json")
PART = re.compile(
    r"requests/stack=(?P<stack>[A-Za-z0-9._-]+)/run_id=(?P<run_id>[0-9A-HJKMNP-TV-Z]{26})/part-[A-Za-z0-9._-]+\.parquet"
)
SAMPLES = re.compile(r"samples/stack=[A-Za-z0-9._-]+/run_id=[0-9A-HJKMNP-TV-Z]{26}/samples\.parquet")
RESTORE = "restore it from a copy"
MISSING = f"is missing, and the manifest of its run names it; {RESTORE}"
CHANGED = f"is not what was written: its sha256 differs from the one {{}}; {RESTORE}"
NO_FILES = f"names no files, and the version that wrote it names them; {RESTORE}"
_NOT_NAMED = "is not named by the manifest of its run, so it is not read; remove it"
_MOST_OF_WHY = 1000
_STACK = re.compile(r"\w+/stack=(?P<stack>[A-Za-z0-9._-]+)(/.*)?")


@dataclass(frozen=True)
class Problem:
    """A file that was skipped, by its path in the store, and why, each in one line. The file is left as it is."""

    path: str
    why: str

    def __post_init__(self) -> None:
        """Names and contents of a foreign file may have any characters, and end up in terminals and reports."""
        object.__setattr__(self, "path", quoted(self.path))
        object.__setattr__(self, "why", quoted(self.why, _MOST_OF_WHY))


def manifest_path(stack: str, run_id: str) -> str:
    return f"runs/stack={stack}/{run_id}.json"


def rows_folder(stack: str, run_id: str) -> str:
    return f"requests/stack={stack}/run_id={run_id}"


def samples_path(stack: str, run_id: str) -> str:
    return f"samples/stack={stack}/run_id={run_id}/samples.parquet"


def named_files(manifest: Manifest) -> dict[str, StoredFile]:
    """The files that a manifest names, by their paths in the store."""
    samples = samples_path(manifest.stack, manifest.run_id)
    folder = rows_folder(manifest.stack, manifest.run_id)
    return {
        samples if posixpath.basename(samples) == each.name else f"{folder}/{each.name}": each
        for each in manifest.files or ()
    }


def unlike_manifests(manifests: Iterable[Manifest], listed: set[str], named_already: set[str]) -> Iterator[Problem]:
    """The files that are missing, and those of finished runs that their manifests do not name.

    Nothing is missing or too much below a path that is `named_already`: it may be a folder that cannot be read.
    """
    for manifest in manifests:
        if manifest.files is None:
            continue
        named = named_files(manifest)
        missing = (path for path in named if path not in listed)
        yield from (Problem(path, MISSING) for path in missing if not named_already & {path, *folders_of(path)})
        folders = (
            rows_folder(manifest.stack, manifest.run_id),
            posixpath.dirname(samples_path(manifest.stack, manifest.run_id)),
        )
        others = {path for path in listed if path.startswith(tuple(f"{folder}/" for folder in folders))} - {*named}
        yield from (Problem(path, _NOT_NAMED) for path in sorted(others - named_already))


def same_ids(manifests: Iterable[Manifest]) -> dict[str, list[Problem]]:
    """By run id, those that runs of two stacks have: at most one of them was measured, and which is not known."""
    by_id: dict[str, list[str]] = defaultdict(list)
    for manifest in manifests:
        by_id[manifest.run_id].append(manifest_path(manifest.stack, manifest.run_id))
    why = "has the run id of {}, and a run is of one stack, so neither is read; remove the copy"
    return {
        run_id: [Problem(path, why.format(" and ".join(each for each in paths if each != path))) for path in paths]
        for run_id, paths in by_id.items()
        if len(paths) > 1
    }


def unfinished(parts: Iterable[str], manifest_files: Iterable[str], hidden: Collection[str]) -> tuple[str, ...]:
    """The folders of rows that have no manifest; `hidden` are paths below which manifests cannot be seen."""
    started = {posixpath.dirname(path): match for path in parts if (match := PART.fullmatch(path))}
    seen = {rows_folder(**match.groupdict()) for path in manifest_files if (match := MANIFEST.fullmatch(path))}
    return tuple(
        sorted(
            folder
            for folder, match in started.items()
            if folder not in seen
            and not {*folders_of(path := manifest_path(match["stack"], match["run_id"])), path} & {*hidden}
        )
    )


def stack_of(path: str) -> str | None:
    """The stack that a path in the store names."""
    match = _STACK.fullmatch(path)
    return match and match["stack"]


def folders_of(path: str) -> list[str]:
    """The folders that a file is in."""
    parts = path.split("/")
    return ["/".join(parts[:end]) for end in range(1, len(parts))]


def misplaced(path: str, layout: str) -> Problem:
    if path.endswith(HALF_WRITTEN):
        return Problem(path, "is incomplete, because its writer was stopped; remove it while no `pulumi up` runs")
    return Problem(path, f"does not match the store's layout, {layout}; move it there, or remove it")
