"""The first request to a bucket: without credentials or an answer it fails within seconds, and names what to do.

Google's client reads its environment when a file system is opened, so a test can be on a machine of Google's: the
metadata server is the one that GCE_METADATA_ROOT names.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from analysis.results.storage.store import ResultsStore
from analysis.results.storage.store_files import StoreError
from shapebench.cli import app

# Beyond the limit of the first answer, for a machine that is busy. Without that limit it takes a minute or two.
WITHIN_S = 20


class Requests:
    """What a server was asked: the path and the Authorization of each request."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.authorizations: set[str | None] = set()


@contextmanager
def serving(answer: Callable[[str], tuple[int, Any]]) -> Iterator[tuple[str, Requests]]:
    """A server at 127.0.0.1 that answers GET requests with JSON: its address, and what it was asked."""
    requests = Requests()

    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            requests.paths.append(self.path)
            requests.authorizations.add(self.headers.get("Authorization"))
            status, content = answer(self.path)
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Metadata-Flavor", "Google")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", requests
        server.shutdown()


def of_metadata(path: str) -> tuple[int, Any]:
    if path.endswith("/token"):
        return 200, {"access_token": "of-the-machine", "expires_in": 3599, "token_type": "Bearer"}
    return 200, {"email": "nodes@example.com", "scopes": [], "aliases": ["default"]}


def of_empty_bucket(path: str) -> tuple[int, Any]:
    return (404, {}) if "/o/" in path else (200, {"kind": "storage#objects", "items": []})


def uri(address: str, account: str = "") -> str:
    return f"gs://{account}bucket/p?scheme=http&endpoint_override={address}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user who has not logged in."""
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def nowhere() -> str:
    """An address on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that accepts connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def refused(command: list[str]) -> str:
    began_s = time.monotonic()
    done = CliRunner().invoke(app, command)
    assert time.monotonic() - began_s < WITHIN_S
    assert done.exit_code == 1
    [line] = done.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    "command",
    [["runs"], ["show", "01"], ["latest", "--stack", "local"], ["report"], ["plan", "--rps", "9", "--p99", "1s"]],
)
def test_every_reader_refuses_a_bucket_without_credentials_within_seconds(
    home: Path, nowhere: str, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("GCE_METADATA_ROOT", nowhere)
    line = refused([*command, "--results", f"gs://bucket-of-{command[0]}/p"])
    assert "there are no credentials: GOOGLE_APPLICATION_CREDENTIALS is not set, " in line
    assert f"{home}/.config/gcloud/application_default_credentials.json does not exist, and no metadata server" in line
    assert line.endswith("; log in with `gcloud auth application-default login`")


def test_a_metadata_server_that_never_answers_is_given_up_within_seconds(
    home: Path, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GCE_METADATA_ROOT", silent)
    line = refused(["runs", "--results", "gs://bucket/p"])
    assert "gs://bucket/p' cannot be read: it did not answer within " in line


def test_credentials_that_get_no_token_are_named_by_their_file(home: Path, nowhere: str) -> None:
    file = home / ".config/gcloud/application_default_credentials.json"
    file.parent.mkdir(parents=True)
    user = {"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}
    file.write_text(json.dumps(user | {"token_uri": f"http://{nowhere}/token"}))
    line = refused(["runs", "--results", "gs://bucket-of-a-user/p"])
    assert f"the credentials in {file} gave no access token: " in line
    assert "check the network, or log in again with `gcloud auth application-default login`" in line


def test_on_a_machine_of_googles_its_own_account_is_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(of_metadata) as (metadata, _), serving(of_empty_bucket) as (bucket, requests):
        monkeypatch.setenv("GCE_METADATA_ROOT", metadata)
        assert ResultsStore(uri(bucket)).scan().manifests == ()
        assert requests.authorizations == {"Bearer of-the-machine"}


def test_a_metadata_server_that_takes_its_time_is_waited_for(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of GKE is there some time after the pod has started."""
    ready_s = time.monotonic() + 1

    def later(path: str) -> tuple[int, Any]:
        return of_metadata(path) if time.monotonic() > ready_s else (503, {})

    with serving(later) as (metadata, _), serving(of_empty_bucket) as (bucket, requests):
        monkeypatch.setenv("GCE_METADATA_ROOT", metadata)
        assert ResultsStore(uri(bucket)).scan().manifests == ()
        assert requests.authorizations == {"Bearer of-the-machine"}


def test_a_bucket_that_has_answered_is_waited_for_as_long_as_the_store_says() -> None:
    """A measured run is not given up for an outage of some seconds."""
    down_until_s = 0.0

    def answer(path: str) -> tuple[int, Any]:
        return of_empty_bucket(path) if time.monotonic() > down_until_s else (503, {})

    with serving(answer) as (bucket, _):
        assert ResultsStore(uri(bucket, "anonymous@")).scan().manifests == ()
        down_until_s = time.monotonic() + 7
        assert ResultsStore(uri(bucket, "anonymous@")).scan().manifests == ()
        assert time.monotonic() > down_until_s


def test_a_bucket_that_does_not_answer_is_given_up_within_seconds(nowhere: str, silent: str) -> None:
    for address in (nowhere, silent):
        began_s = time.monotonic()
        with pytest.raises(StoreError, match="cannot be read"):
            ResultsStore(uri(address, "anonymous@")).scan()
        assert time.monotonic() - began_s < WITHIN_S
