"""Creates one comment on a pull request through GitHub's REST API, or edits it where it exists."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

_TIMEOUT_S = 30.0
_RETRIES = 3
_RETRIED = (429, 500, 502, 503, 504)
# The user of a workflow's token. Other users can write the marker into their comments, too.
_OWN_LOGIN = "github-actions[bot]"


class GitHubError(Exception):
    """A request to GitHub failed. The message says what follows and what to do."""


@dataclass(frozen=True)
class PullRequest:
    """One pull request, and the token that may comment on it."""

    api_url: str
    """`https://api.github.com`, or the API of an enterprise server."""
    repository: str
    """`owner/name`."""
    number: int
    token: str
    pause_s: float = 2.0
    """Half the pause before the second retry; the first is at once, and the pause doubles with each."""

    def put_comment(self, marker: str, body: str) -> str:
        """Edit this workflow's comment with the marker, or create it; returns its URL."""
        repository = f"{self.api_url}/repos/{self.repository}"
        comments = f"{repository}/issues/{self.number}/comments"
        known = next((page for page in self._pages(comments) if _is_own(page, marker)), None)
        if known is None:
            written = self._send("POST", comments, {"body": body})
        else:
            written = self._send("PATCH", f"{repository}/issues/comments/{known['id']}", {"body": body})
        return str(written.json()["html_url"])

    def _pages(self, comments: str) -> Iterator[dict[str, Any]]:
        url: str | None = f"{comments}?per_page=100"
        while url:
            page = self._send("GET", url)
            yield from page.json()
            url = page.links.get("next", {}).get("url")

    def _send(self, method: str, url: str, body: dict[str, Any] | None = None) -> requests.Response:
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self.token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        retries = Retry(
            _RETRIES,
            backoff_factor=self.pause_s,
            status_forcelist=_RETRIED,
            allowed_methods=None,
            raise_on_status=False,
        )
        with requests.Session() as session:
            for scheme in ("https://", "http://"):
                session.mount(scheme, HTTPAdapter(max_retries=retries))
            try:
                answer = session.request(method, url, headers=headers, json=body, timeout=_TIMEOUT_S)
            except requests.RequestException as error:
                raise GitHubError(f"{method} {url}: {error}, {_consequence(method)}; run the job again") from error
        if not answer.ok:
            raise GitHubError(_explained(method, url, answer))
        return answer


def _is_own(comment: dict[str, Any], marker: str) -> bool:
    return (comment.get("user") or {}).get("login") == _OWN_LOGIN and marker in (comment.get("body") or "")


def _explained(method: str, url: str, answer: requests.Response) -> str:
    remedy = (
        "; the job needs `permissions: pull-requests: write`, which a pull request from a fork never gets"
        if answer.status_code in {401, 403, 404}
        else "; run the job again"
    )
    said = f"{method} {url} was answered with {answer.status_code}: {answer.text[:500]}"
    return f"{said}, {_consequence(method, answer.status_code)}{remedy}"


def _consequence(method: str, status: int | None = None) -> str:
    """GitHub may have written the comment although its answer got lost, or is an error of the server."""
    is_unsure = method != "GET" and (status is None or status >= 500)
    return f"so the comment was {'perhaps ' * is_unsure}not written"
