"""The addresses behind the servers' name: looked up once for all users of a process, before a request is timed."""

import contextlib
import logging
import random
import socket
import time
from typing import Any
from urllib.parse import urlsplit

_log = logging.getLogger(__name__)

# A family of sockets, and what such a socket connects to.
Address = tuple[int, tuple[Any, ...]]


class ServerAddresses:
    """Looks the name in a URL up when it is made, and again with each request only until that has succeeded.

    A look-up takes some milliseconds, and five seconds where a packet is lost (kubernetes/kubernetes issue 56903). That
    would pass for a slow answer. The servers of a run stay the same, or it is not valid, so their addresses do, too.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._name, self._port = parts.hostname, parts.port or 80
        self._found: tuple[Address, ...] = ()
        # Without the name a test is not worth much, but its rows say so.
        with contextlib.suppress(OSError):
            self.all()

    def all(self) -> tuple[Address, ...]:
        """Each address once, in the resolver's order; raises OSError where the name has none."""
        if not self._found:
            began_s = time.perf_counter()
            answers = socket.getaddrinfo(self._name, self._port, type=socket.SOCK_STREAM)
            self._found = tuple(dict.fromkeys((family, address) for family, *_, address in answers))
            lasted_ms = (time.perf_counter() - began_s) * 1e3
            _log.info("looked %s up in %.1f ms: %s", self._name, lasted_ms, [address for _, address in self._found])
        return self._found

    def shuffled(self) -> list[Address]:
        """All of them in random order, as callers that know nothing of each other try them; raises OSError."""
        return random.sample(self.all(), len(self.all()))
