"""A stand-in for the part of GitHub's REST API that comments need, over real HTTP on the loopback."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.loopback import serve_http

TOKEN = "a-token"
OWN_LOGIN = "github-actions[bot]"
# Small, so that a reader of only the first page fails.
_PAGE = 2


@dataclass
class FakeGitHub:
    """Comments of one pull request, `acme/shapebench#7`."""

    url: str = ""
    comments: list[dict[str, Any]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    """Statuses of the first answers, one for each request."""
    requests: list[str] = field(default_factory=list)

    def add(self, body: str | None, login: str = OWN_LOGIN) -> dict[str, Any]:
        number = len(self.comments) + 1
        address = f"https://github.com/acme/shapebench/pull/7#issuecomment-{number}"
        self.comments.append({"id": number, "body": body, "user": {"login": login}, "html_url": address})
        return self.comments[-1]

    @property
    def bodies(self) -> list[str | None]:
        return [comment["body"] for comment in self.comments]

    def answer(self, method: str, path: str, token: str | None, body: dict[str, Any]) -> tuple[int, Any, str]:
        """The answer: status, content and the header `Link`."""
        self.requests.append(f"{method} {path}")
        if self.failures:
            return self.failures.pop(0), {"message": "as the test wants it"}, ""
        if token != f"Bearer {TOKEN}":
            return 401, {"message": "Bad credentials"}, ""
        address = urlsplit(path)
        match method, address.path.split("/")[1:]:
            case "GET", ["repos", "acme", "shapebench", "issues", "7", "comments"]:
                page = int(parse_qs(address.query).get("page", ["1"])[0])
                following = f'<{self.url}{address.path}?page={page + 1}>; rel="next"'
                more = len(self.comments) > page * _PAGE
                return 200, self.comments[(page - 1) * _PAGE : page * _PAGE], following if more else ""
            case "POST", ["repos", "acme", "shapebench", "issues", "7", "comments"]:
                return 201, self.add(body["body"]), ""
            case "PATCH", ["repos", "acme", "shapebench", "issues", "comments", number]:
                self.comments[int(number) - 1] |= body
                return 200, self.comments[int(number) - 1], ""
        return 404, {"message": "Not Found"}, ""


@contextmanager
def fake_github() -> Iterator[FakeGitHub]:
    """Serve until the block ends."""
    github = FakeGitHub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def _handle(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(sent) if sent else {}
            status, content, link = github.answer(self.command, self.path, self.headers.get("Authorization"), body)
            self.send_response(status)
            if link:
                self.send_header("Link", link)
            self.end_headers()
            self.wfile.write(json.dumps(content).encode())

        do_GET = do_POST = do_PATCH = _handle  # noqa: N815 (the server's names)

    with serve_http(Handler) as url:
        github.url = url
        yield github
