"""Runs the object-store server with one empty bucket, in memory, until the end of a block."""

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from analysis.results.storage.file_system import open_uri, upload
from bench.servers import processes as servers
from tests.support.go_programs import OBJECT_STORE
from tools.pins import ROOT

BUCKET = "bucket"


@dataclass(frozen=True)
class ObjectStore:
    """A server with Google Cloud Storage's JSON API (https://cloud.google.com/storage/docs/json_api)."""

    url: str

    def uri(self, path: str, via: str | None = None) -> str:
        """The `gs://` URI of a path in the bucket, without credentials, at this server or at `via`, a URL before it."""
        options = {"scheme": "http", "endpoint_override": urlsplit(via or self.url).netloc}
        return f"gs://anonymous@{BUCKET}/{path}?{urlencode(options)}"

    def objects(self, prefix: str = "") -> list[str]:
        """The names of all objects, as the server lists them."""
        with urllib.request.urlopen(f"{self.url}/storage/v1/b/{BUCKET}/o?prefix={quote(prefix)}", timeout=10) as answer:
            return [bucket_object["name"] for bucket_object in json.load(answer).get("items", [])]

    def put_model(self, folder: Path) -> None:
        """Upload a folder's files as version 3 of the model `cats`."""
        filesystem, root = open_uri(self.uri("models/cats"))
        for file in folder.rglob("*"):
            if file.is_file():
                upload(filesystem, f"{root}/3/{file.relative_to(folder)}", file.read_bytes())


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    """Run a server with an empty bucket."""
    port = servers.free_port()
    url = f"http://127.0.0.1:{port}"
    options = {"scheme": "http", "host": "127.0.0.1", "port": port, "backend": "memory", "log-level": "warn"}
    command = [str(OBJECT_STORE.file(ROOT)), *(f"-{name}={value}" for name, value in options.items())]
    with servers.ready(command, f"{url}/_internal/healthcheck", "object-store.log"):
        made = urllib.request.Request(
            f"{url}/storage/v1/b?project=tests",
            json.dumps({"name": BUCKET}).encode(),
            {"Content-Type": "application/json"},
        )
        urllib.request.urlopen(made, timeout=10).close()
        yield ObjectStore(url)
