"""Several byte strings in one file: a line of JSON, which says what they are, and then one after the other.

Standard library only: the generator's pod reads it.
"""

import json
from collections.abc import Sequence
from typing import Any


def pack(head: Any, parts: Sequence[bytes]) -> bytes:  # noqa: ANN401 - whatever JSON holds
    """`head` is what the reader needs to know of the parts; their sizes are added."""
    line = json.dumps({"head": head, "sizes": [len(part) for part in parts]})
    return b"".join((line.encode(), b"\n", *parts))


def unpack(content: bytes) -> tuple[Any, list[bytes]]:
    """The head and the parts; raises ValueError, with the reason, where that is no such file or not the whole one."""
    line, _, rest = content.partition(b"\n")
    try:
        fields = json.loads(line)
        head, sizes = fields["head"], fields["sizes"]
        total = sum(sizes)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"these {len(content)} bytes do not begin with a line of sizes ({error!r})") from None
    if total != len(rest):
        raise ValueError(f"the first line announces {total} bytes, but {len(rest)} follow it")
    parts, at = [], 0
    for size in sizes:
        parts.append(rest[at : at + size])
        at += size
    return head, parts
