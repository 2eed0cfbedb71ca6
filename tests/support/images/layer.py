"""A layer of an image: a tar file that is the same, byte by byte, whenever it is packed from the same content."""

import hashlib
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

_EXECUTABLE, _READABLE = 0o755, 0o644


@dataclass(frozen=True, order=True)
class Entry:
    """One path of a layer, from the root without a leading slash. With neither source nor target it is a folder."""

    name: str
    source: Path | None = None
    """The file whose content it has."""
    content: bytes | None = None
    """The content itself."""
    target: str | None = None
    """Where a symbolic link leads."""
    mode: int | None = None
    """Where it is not that of a file that everybody may read, and run if its owner may."""


@dataclass(frozen=True)
class Layer:
    """A packed layer."""

    path: Path
    digest: str
    """sha256 of the file, as hexadecimal digits."""


def pack(entries: Iterable[Entry], into: Path) -> Layer:
    """Write a layer; of two entries of a name the later counts. Folders that are not named are made by the runtime."""
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
    # Neither owner nor time: both are of the machine that packs.
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
