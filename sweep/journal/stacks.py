"""The names of a sweep's stacks, known without its journal: what destroys them must not need an undamaged record."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path

from sweep.settings import SweepSettings
from tools.private_files import open_private

FILE = "stacks.json"
# Files of a stack in the sweep's folder: sweep.pulumi_fleet.stack.Place.
_OF_STACK = (("Pulumi.", ".yaml"), ("", ".task.json"), ("", ".events"), ("", ".log"))
_JOURNAL = "journal.sqlite"
_NAMED_IN_SETTINGS = "SELECT json_extract(value, '$.stack') FROM sweep, json_each(sweep.settings, '$.candidates')"


def write_stacks(folder: Path, settings: SweepSettings) -> None:
    """Write the names beside the journal; raises OSError."""
    names = list(dict.fromkeys(candidate.stack for candidate in settings.candidates))
    with open_private(folder / FILE, "w") as file:
        json.dump({"stacks": names, "digest": _digest(names)}, file)


def stacks_of(folder: Path) -> tuple[str, ...]:
    """The stacks of the sweep in a folder, whatever is damaged there.

    Those that were written beside the journal. Where they cannot be read: all that other files and the journal name.
    Any of these names may be damaged; a stack that does not exist is as good as destroyed.
    """
    with suppress(OSError, ValueError, KeyError, TypeError):
        read = json.loads((folder / FILE).read_bytes())
        if _digest(read["stacks"]) == read["digest"]:
            return tuple(read["stacks"])
    return tuple(dict.fromkeys((*_named_by_files(folder), *_named_in_journal(folder))))


def _named_by_files(folder: Path) -> Iterator[str]:
    with suppress(OSError):
        for path in sorted(folder.iterdir()):
            for start, end in _OF_STACK:
                if path.name.startswith(start) and path.name.endswith(end):
                    yield path.name.removeprefix(start).removesuffix(end)


def _named_in_journal(folder: Path) -> Iterator[str]:
    """From rows that may be damaged, each as far as it can be read."""
    uri = (folder / _JOURNAL).absolute().as_uri() + "?mode=ro"
    for query in (_NAMED_IN_SETTINGS, "SELECT DISTINCT stack FROM tasks"):
        with suppress(sqlite3.Error, ValueError), closing(sqlite3.connect(uri, uri=True)) as journal:
            yield from (name for (name,) in journal.execute(query) if isinstance(name, str))


def _digest(names: list[str]) -> str:
    return sha256(json.dumps(names).encode()).hexdigest()[:16]
