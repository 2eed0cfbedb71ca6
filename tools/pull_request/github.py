"""One comment on a pull request through GitHub's REST API: found by its mark and edited, or made."""

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
# Whoever this workflow's token belongs to. Anybody can write our mark into a comment of their own.
_OURSELVES = "github-actions[bot]"


class GitHubError(Exception):
    """GitHub did not do what it was asked. The message says what follows and the mend."""


@dataclass(frozen=True)
class PullRequest:
    """One pull request, and the token that may comment on it."""

    api_url: str
    """`https://api.github.com`, or that of an enterprise's own server."""
    repository: str
    """`owner/name`."""
    number: int
    token: str
    pause_s: float = 2.0
    """Before the first repetition of what failed in passing; doubled each time."""

    def put_comment(self, mark: str, body: str) -> str:
        """Edit our comment that holds the mark, or make it; returns its address."""
        known = next((each for each in self._comments() if _is_ours(each, mark)), None)
        if known is None:
            made, _ = self._ask("POST", f"{self._issue}/comments", {"body": body})
        else:
            made, _ = self._ask("PATCH", f"{self._repository}/issues/comments/{known['id']}", {"body": body})
        return str(made["html_url"])

    @property
    def _repository(self) -> str:
        return f"{self.api_url}/repos/{self.repository}"

    @property
    def _issue(self) -> str:
        return f"{self._repository}/issues/{self.number}"

    def _comments(self) -> Iterator[dict[str, Any]]:
        url: str | None = f"{self._issue}/comments?per_page=100"
        while url:
            page, following = self._ask("GET", url)
            yield from page
            url = following

    def _ask(self, method: str, url: str, body: dict[str, Any] | None = None) -> tuple[Any, str | None]:
        """The answer, and the address of the next page if there is one."""
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
                        f"{method} {url}: {error}, so the comment is as it was; run the job again"
                    ) from error
            time.sleep(self.pause_s * 2**attempt)
        raise AssertionError("unreachable: the last try returns or raises")


def _is_ours(comment: dict[str, Any], mark: str) -> bool:
    return (comment.get("user") or {}).get("login") == _OURSELVES and mark in (comment.get("body") or "")


def _explained(method: str, url: str, error: urllib.error.HTTPError) -> str:
    said = error.read().decode(errors="replace")[:500]
    mend = (
        "; the job needs `permissions: pull-requests: write`, which a pull request from a fork never gets"
        if error.code in {401, 403, 404}
        else "; run the job again"
    )
    return f"{method} {url} was answered with {error.code}: {said}, so the comment is as it was{mend}"
