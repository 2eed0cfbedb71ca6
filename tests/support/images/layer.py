"""Packs a layer of an image: a reproducible tar file, the same bytes for the same content."""

import hashlib
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

_EXECUTABLE, _READABLE = 0o755, 0o644


@dataclass(frozen=True, order=True)
class Entry:
    """One path of a layer, without a leading slash: a file, a symbolic link, or a folder if it has neither."""

    name: str
    source: Path | None = None
    """The file with the content."""
    content: bytes | None = None
    """The content itself."""
    target: str | None = None
    """The target of a symbolic link."""
    mode: int | None = None
    """Default: everybody may read it, and execute it if the owner of `source` may."""


@dataclass(frozen=True)
class Layer:
    """A packed layer."""

    path: Path
    digest: str
    """sha256 of the file, as hexadecimal digits."""


def pack(entries: Iterable[Entry], into: Path) -> Layer:
    """Write a layer. Of two entries with one name the later counts; the runtime creates folders that are not named."""
    last = {entry.name: entry for entry in entries}
    into.parent.mkdir(parents=True, exist_ok=True)
    unfinished = into.with_name(into.name + ".new")
    with tarfile.open(unfinished, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(last):
            _add(tar, last[name])
    unfinished.replace(into)
    with into.open("rb") as file:
        return Layer(into, hashlib.file_digest(file, "sha256").hexdigest())


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    # Neither owner nor time, which differ between machines.
    member = tarfile.TarInfo(entry.name)
    member.mode = _EXECUTABLE if entry.mode is None else entry.mode
    if entry.target is not None:
        member.type, member.linkname = tarfile.SYMTYPE, entry.target
        tar.addfile(member)
    elif entry.source is not None:
        executable = entry.source.stat().st_mode & 0o100
        member.mode = entry.mode or (_EXECUTABLE if executable else _READABLE)
        member.size = entry.source.stat().st_size
        with entry.source.open("rb") as file:
            tar.addfile(member, file)
    elif entry.content is not None:
        member.mode = entry.mode or _READABLE
        member.size = len(entry.content)
        tar.addfile(member, BytesIO(entry.content))
    else:
        member.type = tarfile.DIRTYPE
        tar.addfile(member)
