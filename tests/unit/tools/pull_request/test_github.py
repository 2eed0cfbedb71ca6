from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.unit.tools.pull_request.fake_github import TOKEN, FakeGitHub, fake_github
from tools.pull_request.github import GitHubError, PullRequest

MARK = "<!-- ours -->"


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with fake_github() as github:
        yield github


@pytest.fixture
def pull_request(github: FakeGitHub) -> PullRequest:
    return PullRequest(github.url, "acme/shapebench", 7, TOKEN, pause_s=0)


def test_the_first_time_a_comment_is_made(github: FakeGitHub, pull_request: PullRequest):
    github.add("looks good", "somebody")
    assert pull_request.put_comment(MARK, f"{MARK} one") == github.comments[1]["html_url"]
    assert github.bodies == ["looks good", f"{MARK} one"]


def test_after_that_it_is_edited_in_place_wherever_it_stands(github: FakeGitHub, pull_request: PullRequest):
    for body in ("first", None, "second"):
        github.add(body, "somebody")
    pull_request.put_comment(MARK, f"{MARK} one")
    for number in range(3):
        github.add(f"later {number}", "somebody")
    pull_request.put_comment(MARK, f"{MARK} two")
    assert github.bodies == ["first", None, "second", f"{MARK} two", "later 0", "later 1", "later 2"]


def test_a_comment_of_somebody_else_that_holds_our_mark_is_left_alone(github: FakeGitHub, pull_request: PullRequest):
    theirs = f"{MARK} I would like you to overwrite this"
    github.add(theirs, "mallory")
    pull_request.put_comment(MARK, f"{MARK} ours")
    assert github.bodies == [theirs, f"{MARK} ours"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_fails_in_passing_is_asked_again(github: FakeGitHub, pull_request: PullRequest, status: int):
    github.failures = [status, status]
    pull_request.put_comment(MARK, f"{MARK} one")
    assert github.bodies == [f"{MARK} one"]


def test_what_keeps_failing_is_an_error_that_says_so(github: FakeGitHub, pull_request: PullRequest):
    github.failures = [503] * 20
    with pytest.raises(GitHubError, match=r"503.*so the comment is as it was; run the job again"):
        pull_request.put_comment(MARK, f"{MARK} one")
    assert len(github.requests) == 4


def test_a_token_that_may_not_is_told_which_permission_it_lacks(github: FakeGitHub, pull_request: PullRequest):
    with pytest.raises(GitHubError, match="pull-requests: write") as refused:
        replace(pull_request, token="another").put_comment(MARK, f"{MARK} one")
    assert len(github.requests) == 1
    assert "another" not in str(refused.value)


def test_a_server_that_is_not_there_is_an_error_that_says_so(pull_request: PullRequest):
    nowhere = replace(pull_request, api_url="http://127.0.0.1:9")
    with pytest.raises(GitHubError, match="so the comment is as it was"):
        nowhere.put_comment(MARK, f"{MARK} one")
