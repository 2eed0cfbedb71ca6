"""Where a report or an export is written."""

from pathlib import Path


def make_folder(folder: Path) -> None:
    """Make it and what is above it, where they are not there yet; raises OSError that names what is in the way."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        way = next(each for each in (folder, *folder.parents) if each.exists())
        raise NotADirectoryError(
            f"{way} is no folder, so nothing can be written into {folder}; name another"
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Write a file, over an older one, that nobody ever sees half-written."""
    half_written = path.with_name(f".{path.name}.half-written")
    try:
        half_written.write_text(text, encoding="utf-8")
        half_written.replace(path)
    finally:
        half_written.unlink(missing_ok=True)
