"""The compiled modules that lie beside Python's sources, in the form that is valid without a look at the source's time.

A layer's files have no time, so what Python compiled by time would be compiled again at every start of a container,
whose root nobody can write to: for TensorFlow that is half a minute.
"""

import importlib.util
from pathlib import Path

from tests.support.images.layer import Entry

# The header of a compiled module: magic number, flags, then time and size, or a hash (PEP 552).
_FLAGS_AT, _CODE_AT = 4, 16
_BY_TIME, _UNCHECKED_HASH = 0, 1
_WORD = 2**32


def compiled(source: Path, name: str) -> Entry | None:
    """The compiled module of a source that has this name in the image; None where there is none of this source."""
    try:
        content = Path(importlib.util.cache_from_source(str(source))).read_bytes()
    except OSError:
        return None
    if content[:_FLAGS_AT] != importlib.util.MAGIC_NUMBER or not _is_of(source, content):
        return None
    header = content[:_FLAGS_AT] + _bytes_of(_UNCHECKED_HASH) + importlib.util.source_hash(source.read_bytes())
    return Entry(importlib.util.cache_from_source(name), content=header + content[_CODE_AT:])


def _is_of(source: Path, content: bytes) -> bool:
    status = source.stat()
    return content[_FLAGS_AT:_CODE_AT] == b"".join(
        map(_bytes_of, (_BY_TIME, int(status.st_mtime) % _WORD, status.st_size % _WORD))
    )


def _bytes_of(word: int) -> bytes:
    return word.to_bytes(4, "little")
