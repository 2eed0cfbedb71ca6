"""Creates one comment on a pull request through GitHub's REST API, or edits it where it exists."""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_TIMEOUT_S = 30.0
_TRIES = 4
_RETRIED = {429, 500, 502, 503, 504}
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
    """Pause before the first retry; it doubles with each."""

    def put_comment(self, marker: str, body: str) -> str:
        """Edit this workflow's comment with the marker, or create it; returns its URL."""
        known = next((each for each in self._comments() if _is_own(each, marker)), None)
        if known is None:
            written, _ = self._send("POST", f"{self._issue}/comments", {"body": body})
        else:
            written, _ = self._send("PATCH", f"{self._repository}/issues/comments/{known['id']}", {"body": body})
        return str(written["html_url"])

    @property
    def _repository(self) -> str:
        return f"{self.api_url}/repos/{self.repository}"

    @property
    def _issue(self) -> str:
        return f"{self._repository}/issues/{self.number}"

    def _comments(self) -> Iterator[dict[str, Any]]:
        url: str | None = f"{self._issue}/comments?per_page=100"
        while url:
            page, following = self._send("GET", url)
            yield from page
            url = following

    def _send(self, method: str, url: str, body: dict[str, Any] | None = None) -> tuple[Any, str | None]:
        """The answer, and the URL of the next page if there is one."""
        request = urllib.request.Request(  # noqa: S310 (GitHub's own address, from the runner)
            url,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        for attempt in range(_TRIES):
            try:
                with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 (the same)
                    following = re.search(r'<([^>]+)>;\s*rel="next"', response.headers.get("Link") or "")
                    return json.load(response), following[1] if following else None
            except urllib.error.HTTPError as error:
                if error.code not in _RETRIED or attempt == _TRIES - 1:
                    raise GitHubError(_explained(method, url, error)) from error
            except OSError as error:
                if attempt == _TRIES - 1:
                    raise GitHubError(
                        f"{method} {url}: {error}, so the comment is unchanged; run the job again"
                    ) from error
            time.sleep(self.pause_s * 2**attempt)
        raise AssertionError("unreachable: the last try returns or raises")


def _is_own(comment: dict[str, Any], marker: str) -> bool:
    return (comment.get("user") or {}).get("login") == _OWN_LOGIN and marker in (comment.get("body") or "")


def _explained(method: str, url: str, error: urllib.error.HTTPError) -> str:
    answer = error.read().decode(errors="replace")[:500]
    remedy = (
        "; the job needs `permissions: pull-requests: write`, which a pull request from a fork never gets"
        if error.code in {401, 403, 404}
        else "; run the job again"
    )
    return f"{method} {url} was answered with {error.code}: {answer}, so the comment is unchanged{remedy}"
