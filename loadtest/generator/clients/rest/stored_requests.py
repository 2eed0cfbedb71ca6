"""Whole requests. Of many large ones, which no cache holds, the kernel sends each from a file in memory (sendfile(2)).

So this process neither reads nor copies them, and they take as little of its time as one that is sent again and again.
That one is copied sooner, as sender and receiver of its pages would get in each other's way: of 800 kB, 390 µs a
request copied and 440 from a file; of twenty such, 450 and 380 (`make bench-recorder`).
"""

import os
from collections.abc import Sequence

import gevent.socket

_LARGE_BYTES = 1 << 16
# What the caches of a core hold, about.
_CACHE_BYTES = 4 << 20


class StoredRequest:
    """A request of so many bytes from `offset` of a file, or its `content` where it is in none."""

    __slots__ = ("_content", "_file", "_offset", "size")

    def __init__(self, content: bytes, file: int | None = None, offset: int = 0) -> None:
        self.size = len(content)
        self._content = content if file is None else b""
        self._file, self._offset = file, offset

    def send(self, socket: gevent.socket.socket) -> None:
        """Send the whole of it; raises OSError, also TimeoutError when the socket takes nothing for its time-out."""
        if self._file is None:
            socket.sendall(self._content)
            return
        to, timeout_s = socket.fileno(), socket.gettimeout()
        at, end = self._offset, self._offset + self.size
        while at < end:
            try:
                at += os.sendfile(to, self._file, at, end - at)
            except BlockingIOError:
                gevent.socket.wait_write(to, timeout_s, TimeoutError("timed out"))


def stored(contents: Sequence[bytes]) -> list[StoredRequest]:
    """Each as it is sent best. Their file exists only in memory, as long as this process does."""
    all_large_bytes = sum(len(content) for content in contents if len(content) >= _LARGE_BYTES)
    # Linux has such files, and sends from them.
    if all_large_bytes <= _CACHE_BYTES or not hasattr(os, "memfd_create"):
        return [StoredRequest(content) for content in contents]
    file, requests = os.memfd_create("requests"), []
    end = 0
    for content in contents:
        if len(content) < _LARGE_BYTES:
            requests.append(StoredRequest(content))
            continue
        requests.append(StoredRequest(content, file, end))
        left = memoryview(content)
        while left:
            written = os.pwrite(file, left, end)
            left, end = left[written:], end + written
    return requests
