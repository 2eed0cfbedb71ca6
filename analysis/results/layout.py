"""Where the files of a run are in a store, and which of them are missing or not named by its manifest."""

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from analysis.results.file_system import HALF_WRITTEN
from analysis.results.manifest import Manifest, StoredFile

MANIFEST = re.compile(r"runs/stack=(?P<stack>[A-Za-z0-9._-]+)/(?P<run_id>[0-9A-HJKMNP-TV-Z]{26})\.json")
PART = re.compile(
    r"requests/stack=(?P<stack>[A-Za-z0-9._-]+)/run_id=(?P<run_id>[0-9A-HJKMNP-TV-Z]{26})/part-[A-Za-z0-9._-]+\.parquet"
)
SAMPLES = re.compile(r"samples/stack=[A-Za-z0-9._-]+/run_id=[0-9A-HJKMNP-TV-Z]{26}/samples\.parquet")
RESTORE = "restore it from a copy"
MISSING = f"is missing, and the manifest of its run names it; {RESTORE}"
CHANGED = f"is not what was written: its sha256 differs from the one {{}}; {RESTORE}"
_NOT_NAMED = "is not named by the manifest of its run, so it is not read; remove it"


@dataclass(frozen=True)
class Problem:
    """A file that was skipped, by its path in the store, and why. The file is left as it is."""

    path: str
    why: str


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
    """The files that are missing, and those of finished runs that their manifests do not name."""
    for manifest in manifests:
        if manifest.files is None:
            continue
        named = named_files(manifest)
        yield from (Problem(path, MISSING) for path in named if path not in listed)
        folders = (
            rows_folder(manifest.stack, manifest.run_id),
            posixpath.dirname(samples_path(manifest.stack, manifest.run_id)),
        )
        others = {path for path in listed if path.startswith(tuple(f"{folder}/" for folder in folders))} - {*named}
        yield from (Problem(path, _NOT_NAMED) for path in sorted(others - named_already))


def misplaced(path: str, layout: str) -> Problem:
    if path.endswith(HALF_WRITTEN):
        return Problem(path, "is incomplete, because its writer was stopped; remove it while no `pulumi up` runs")
    return Problem(path, f"does not match the store's layout, {layout}; move it there, or remove it")
