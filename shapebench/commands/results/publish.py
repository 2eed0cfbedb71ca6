"""`shapebench publish`: a folder of results for the public, from contributed stores."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from analysis.formatting import counted
from analysis.objective import Asked
from analysis.publish.folder import PAGE, PublishedFolder, write_published
from analysis.publish.page import REMOVED, left_out_text
from analysis.publish.selection import LeftOut, select
from analysis.report.folders import check_new_folder
from analysis.verdict.text import NO_VERDICT
from shapebench.output import REHEARSAL_EXIT_CODE, CommandError, note, print_json, print_text


def publish(uris: Sequence[str], folder: Path, requested: Asked, *, as_json: bool) -> int:
    """Write the folder, and say what is in it and what is not; returns the exit code. Raises CommandError."""
    check_new_folder(folder)
    selection = select(uris)
    for omission in selection.left_out:
        note(f"left out: {omission.what} of {omission.store}: {omission.reason}")
    if not selection.runs:
        raise CommandError(
            f"no run in {' or '.join(uris)} can be published, so nothing was written; publish valid runs of a commit"
            " without changes"
        )
    written = write_published(selection, folder, requested, datetime.now(UTC).date())
    if as_json:
        print_json(_json(written, folder, selection.left_out))
    else:
        print_text("\n".join(_lines(written, folder, selection.left_out)))
    return REHEARSAL_EXIT_CODE if written.verdict.is_rehearsal else 0


def _lines(written: PublishedFolder, folder: Path, left_out: Sequence[LeftOut]) -> Iterator[str]:
    runs, stacks = len(written.verdict.scan.manifests), _stacks(written)
    replaced = ", ".join(counted(number, kind) for kind, number in written.replaced.items())
    if written.verdict.is_rehearsal:
        yield f"{NO_VERDICT}."
    yield (
        f"{folder} has {counted(runs, 'run')} of {counted(len(stacks), 'stack')} and the page {folder / PAGE}, in"
        f" {counted(written.files, 'file')}. Nothing was sent anywhere."
    )
    yield f"Left out: {left_out_text(left_out)}."
    yield f"Removed: {REMOVED} Replaced: {replaced or 'no name'}."
    yield (
        "Before you make it public, read the page, and search the folder for words of your own. Published as they are:"
        f" the stacks {', '.join(stacks)}; the models {', '.join(_models(written))}; CPU models, regions, prices,"
        " commits, times and figures."
    )


def _stacks(written: PublishedFolder) -> list[str]:
    return sorted(written.verdict.scan.stacks)


def _models(written: PublishedFolder) -> list[str]:
    return sorted({run.serving.model.name for run in written.verdict.scan.manifests})


def _json(written: PublishedFolder, folder: Path, left_out: Sequence[LeftOut]) -> dict[str, object]:
    return {
        "folder": str(folder),
        "page": str(folder / PAGE),
        "runs": [run.run_id for run in written.verdict.scan.manifests],
        "files": written.files,
        "rehearsal": written.verdict.is_rehearsal,
        "left_out": [asdict(omission) for omission in left_out],
        "names_replaced": written.replaced,
        "stacks": _stacks(written),
        "models": _models(written),
    }
