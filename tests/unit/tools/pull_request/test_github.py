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


def test_the_first_time_a_comment_is_created(github: FakeGitHub, pull_request: PullRequest):
    github.add("looks good", "somebody")
    assert pull_request.put_comment(MARK, f"{MARK} one") == github.comments[1]["html_url"]
    assert github.bodies == ["looks good", f"{MARK} one"]


def test_an_existing_comment_is_edited_on_whichever_page_it_is(github: FakeGitHub, pull_request: PullRequest):
    for body in ("first", None, "second"):
        github.add(body, "somebody")
    pull_request.put_comment(MARK, f"{MARK} one")
    for number in range(3):
        github.add(f"later {number}", "somebody")
    pull_request.put_comment(MARK, f"{MARK} two")
    assert github.bodies == ["first", None, "second", f"{MARK} two", "later 0", "later 1", "later 2"]


def test_a_comment_of_another_user_with_the_marker_is_not_edited(github: FakeGitHub, pull_request: PullRequest):
    theirs = f"{MARK} I would like you to overwrite this"
    github.add(theirs, "mallory")
    pull_request.put_comment(MARK, f"{MARK} ours")
    assert github.bodies == [theirs, f"{MARK} ours"]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_temporary_failure_is_retried(github: FakeGitHub, pull_request: PullRequest, status: int):
    github.failures = [status, status]
    pull_request.put_comment(MARK, f"{MARK} one")
    assert github.bodies == [f"{MARK} one"]


def test_a_lasting_failure_is_an_error(github: FakeGitHub, pull_request: PullRequest):
    github.failures = [503] * 20
    with pytest.raises(GitHubError, match=r"503.*so the comment was not written; run the job again"):
        pull_request.put_comment(MARK, f"{MARK} one")
    assert len(github.requests) == 4


def test_a_comment_whose_writing_the_server_does_not_confirm_was_perhaps_written(
    github: FakeGitHub, pull_request: PullRequest, monkeypatch: pytest.MonkeyPatch
):
    answer = github.answer
    monkeypatch.setattr(github, "answer", lambda *request: (502, {}, "") if request[0] == "POST" else answer(*request))
    with pytest.raises(GitHubError, match=r"502.*so the comment was perhaps not written; run the job again"):
        pull_request.put_comment(MARK, f"{MARK} one")


def test_a_forbidden_request_is_an_error_with_the_permission_that_is_missing(
    github: FakeGitHub, pull_request: PullRequest
):
    with pytest.raises(GitHubError, match="pull-requests: write") as refused:
        replace(pull_request, token="another").put_comment(MARK, f"{MARK} one")
    assert len(github.requests) == 1
    assert "another" not in str(refused.value)


def test_a_server_that_does_not_answer_is_an_error(pull_request: PullRequest):
    nowhere = replace(pull_request, api_url="http://127.0.0.1:9")
    with pytest.raises(GitHubError, match="so the comment was not written"):
        nowhere.put_comment(MARK, f"{MARK} one")
