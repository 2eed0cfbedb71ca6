"""Converts compiled Python modules so that they are valid whatever the modification time of their source (PEP 552).

Files in a layer have no modification time, so Python would compile its modules again at every start of a container,
whose root is read-only: half a minute for TensorFlow.
"""

import importlib.util
from pathlib import Path

from tests.support.images.layer import Entry

# The header of a compiled module: magic number, flags, then time and size, or a hash (PEP 552).
_FLAGS_AT, _CODE_AT = 4, 16
_BY_TIME, _UNCHECKED_HASH = 0, 1
_WORD = 2**32


def compiled(source: Path, name: str) -> Entry | None:
    """The compiled module of `source`, which is `name` in the image; None where it is missing or outdated."""
    try:
        content = Path(importlib.util.cache_from_source(str(source))).read_bytes()
    except OSError:
        return None
    if content[:_FLAGS_AT] != importlib.util.MAGIC_NUMBER or not _is_current(source, content):
        return None
    header = content[:_FLAGS_AT] + _bytes_of(_UNCHECKED_HASH) + importlib.util.source_hash(source.read_bytes())
    return Entry(importlib.util.cache_from_source(name), content=header + content[_CODE_AT:])


def _is_current(source: Path, content: bytes) -> bool:
    status = source.stat()
    return content[_FLAGS_AT:_CODE_AT] == b"".join(
        map(_bytes_of, (_BY_TIME, int(status.st_mtime) % _WORD, status.st_size % _WORD))
    )


def _bytes_of(word: int) -> bytes:
    return word.to_bytes(4, "little")
