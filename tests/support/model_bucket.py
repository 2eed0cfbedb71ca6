"""A stand-in for a pod's way to its model over real HTTP: GKE's metadata server, and Cloud Storage's JSON API.

Both are served at one address. Where each answer is documented is said beside it.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.loopback import serve_http

_METADATA = "/computeMetadata/v1/instance/service-accounts/default/token"
_STORAGE = "/storage/v1/b/"
_TOKEN = "ya29.of-the-stand-in"

# Objects on a page of a list.
_PAGE = 2

Answer = tuple[int, dict[str, Any] | bytes]


@dataclass
class ModelBucket:
    """Buckets with objects. What it refuses can change while it is served."""

    holds: Callable[[str], bool] = lambda name: False  # noqa: ARG005 - named by its type
    """Whether there is an object, `<bucket>/<name>`."""
    gives_tokens: Callable[[], bool] = lambda: True
    accepts_tokens: bool = True
    permits: Callable[[str, str], bool] = lambda bucket, permission: True  # noqa: ARG005 - named by its type
    """Whether the pod has a permission on a bucket, such as storage.objects.get."""
    listed: list[dict[str, str]] = field(default_factory=list)
    """The objects in lists: `name`, `size` and `timeCreated`."""
    names: Callable[[], list[str]] = list
    """More of them, as `<bucket>/<name>`; this name is also what such an object holds."""
    asked: list[str] = field(default_factory=list)
    """Paths with their query, in order."""

    def answer(self, path: str, headers: dict[str, str]) -> Answer:
        self.asked.append(path)
        address = urlsplit(path)
        if address.path == _METADATA:
            return self._give_token(headers)
        return self._read(address.path, parse_qs(address.query), headers)

    def _give_token(self, headers: dict[str, str]) -> Answer:
        # https://cloud.google.com/compute/docs/metadata/querying-metadata: without the header it refuses, with 403.
        if headers.get("metadata-flavor") != "Google":
            return 403, {}
        # "The GKE metadata server takes a few seconds before it can start accepting requests on a newly created Pod":
        # https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity#limitations
        if not self.gives_tokens():
            return 503, {}
        # https://cloud.google.com/compute/docs/access/authenticate-workloads#applications: the three fields.
        return 200, {"access_token": _TOKEN, "expires_in": 3599, "token_type": "Bearer"}

    def _read(self, path: str, query: dict[str, list[str]], headers: dict[str, str]) -> Answer:
        # Statuses and messages: https://cloud.google.com/storage/docs/json_api/v1/status-codes
        if headers.get("authorization") != f"Bearer {_TOKEN}" or not self.accepts_tokens:
            return _refusal(401, "Invalid Credentials")
        bucket, _, rest = path.removeprefix(_STORAGE).partition("/o")
        permission = "storage.objects.get" if rest else "storage.objects.list"
        if not self.permits(bucket, permission):
            return _refusal(403, f"Caller does not have {permission} access to the Google Cloud Storage object.")
        if not rest:
            # https://cloud.google.com/storage/docs/json_api/v1/objects/list: also where nothing matches.
            every = [*self.listed, *self._named(bucket)]
            matching = [
                bucket_object for bucket_object in every if bucket_object["name"].startswith(query["prefix"][0])
            ]
            begin = int(query.get("pageToken", ["0"])[0])
            more = {"nextPageToken": str(begin + _PAGE)} if matching[begin + _PAGE :] else {}
            return 200, {"kind": "storage#objects"} | (
                {"items": matching[begin : begin + _PAGE]} if matching else {}
            ) | more
        # One segment of the path: https://cloud.google.com/storage/docs/request-endpoints#encoding
        name = unquote(rest.removeprefix("/"))
        if "/" in rest.removeprefix("/") or not self.holds(f"{bucket}/{name}"):
            return _refusal(404, f"No such object: {bucket}/{name}")
        # https://cloud.google.com/storage/docs/json_api/v1/objects/get: what it holds, not what is known of it.
        if query.get("alt") == ["media"]:
            return 200, f"{bucket}/{name}".encode()
        return 200, {"kind": "storage#object", "bucket": bucket, "name": name}

    def _named(self, bucket: str) -> list[dict[str, str]]:
        of_bucket = [name for name in self.names() if name.startswith(f"{bucket}/")]
        return [
            {"name": name.partition("/")[2], "size": str(len(name)), "timeCreated": "2026-01-01T00:00:00.000Z"}
            for name in of_bucket
        ]


def _refusal(code: int, message: str) -> Answer:
    return code, {"error": {"code": code, "message": message, "errors": [{"message": message}]}}


@contextmanager
def serving_bucket(buckets: ModelBucket) -> Iterator[str]:
    """Serve the stand-in; yields its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            code, document = buckets.answer(self.path, headers)
            body = document if isinstance(document, bytes) else json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is logged."""

    with serve_http(Handler) as url:
        yield url
