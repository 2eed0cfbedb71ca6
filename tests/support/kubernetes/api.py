"""The calls to the Kubernetes API that starting a cluster needs. Standard library only."""

import json
import ssl
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError

_TIMEOUT_S = 5


@dataclass(frozen=True)
class Api:
    """An API server, and the token of a user who may do everything."""

    address: str
    ca_file: Path
    token: str = field(repr=False)

    def get(self, path: str) -> bytes | None:
        """The answer to a GET; None where there is none, or it is an error."""
        try:
            return self._call(path)
        except (URLError, OSError):
            return None

    def create(self, path: str, resource: dict[str, Any]) -> None:
        """Create a resource; raises OSError where the API server refuses it."""
        self._call(path, json.dumps(resource).encode())

    def _call(self, path: str, body: bytes | None = None) -> bytes:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"https://{self.address}{path}", data=body, headers=headers)
        # Not over the machine's proxy, which does not reach it.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(self.ca_file))),
        )
        with opener.open(request, timeout=_TIMEOUT_S) as answer:
            return bytes(answer.read())
