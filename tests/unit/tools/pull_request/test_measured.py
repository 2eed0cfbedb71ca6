"""The comment on a measurement, from what the command prints."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import make_search, write_run
from shapebench.cli import app
from tests.unit.tools.pull_request.fake_github import TOKEN, fake_github
from tools.pull_request import __main__ as command
from tools.pull_request.measured import CHANGES, MARKER, compose, read_measurement

RUN = "https://github.com/acme/shapebench/actions/runs/7"
SIDE = {
    "variant": "8cpu-16gb · interop4",
    "measured_at": "2026-11-20T09:30:00Z",
    "objective": "p99 within 500 ms and at most 0.1 % failed",
    "capacity_rps": {"value": 60.0, "low": 58.0, "high": 62.0},
    "usd_per_million": {"value": 2.5, "low": 2.4, "high": 2.6},
    "usd_hourly": 0.54,
    "prices_as_of": "2026-11-24",
    "deployments": 3,
    "runs": 3,
}


def change(stack: str = "8cpu-16gb", **fields: Any) -> dict[str, Any]:
    whole = {
        "stack": stack,
        "finding": "improved",
        "usd_ratio": {"value": 0.9, "low": 0.85, "high": 0.95},
        "why_not": [],
        "differs": ["inter_op 4 → inter_op 8"],
        "before": SIDE,
        "after": SIDE,
    }
    return whole | fields


@pytest.fixture
def comment(tmp_path: Path):
    """The comment on some changes, and on what their sweeps cost."""

    def of(*changes: dict[str, Any], expected: list[str] | None = None, **usd: float) -> str:
        (tmp_path / CHANGES).write_text(json.dumps({"changes": changes, "problems": []}))
        for stack, spent in usd.items():
            outcome = {"usd": spent, "hours": 1.0, "message": "3 runs, all destroyed"}
            (tmp_path / f"{stack}.json").write_text(json.dumps(outcome))
        stacks = [changed_stack["stack"] for changed_stack in changes] if expected is None else expected
        return compose(read_measurement(tmp_path), stacks, "0123456789abcdef", RUN)

    return of


def row(text: str, stack: str) -> list[str]:
    (line,) = (line for line in text.splitlines() if line.startswith(f"| `{stack}` |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_a_row_says_what_changed_by_how_much_and_what_measuring_it_cost(comment):
    text = comment(change("a"), a=1.234)
    assert row(text, "a") == [
        "**improved**: 10.0 % less (15.0 % less to 5.0 % less)",
        "2.50 (2.40 to 2.60)",
        "2.50 (2.40 to 2.60)",
        "1.23",
    ]
    assert text.startswith(MARKER)
    assert "changed: inter_op 4 → inter_op 8" in text
    assert "The measurement cost 1.23 USD in all" in text
    assert "60.0 (58.0 to 62.0) requests/s at 0.54 USD/h, 3 runs of 3 deployments, the last of 2026-11-20" in text


def test_a_side_says_how_many_predictions_a_request_asks_for_where_it_is_not_one(comment):
    cost = {"value": 10.0, "low": 9.6, "high": 10.4}
    text = comment(change("a", after=SIDE | {"predictions_per_request": 4.0, "usd_per_million_requests": cost}), a=1.0)
    assert text.count("4 predictions a request") == 1
    assert "requests/s (4 predictions a request; a million requests: 10.00 (9.60 to 10.40) USD) at 0.54 USD/h" in text


def test_a_sweep_of_a_stack_without_a_price_cost_at_least_what_is_known(comment, tmp_path):
    outcome = {"usd": 1.0, "unpriced": ["a"], "message": "3 runs"}
    comment(change("a"))
    (tmp_path / "a.json").write_text(json.dumps(outcome))
    text = compose(read_measurement(tmp_path), ["a"], "0123456789abcdef", RUN)
    assert row(text, "a")[3] == "at least 1.00"


def test_what_cannot_be_told_shows_the_reason_unfolded(comment):
    text = comment(change(finding="cannot tell", usd_ratio=None, why_not=["it ran on another CPU"], before=None))
    assert row(text, "8cpu-16gb") == ["**cannot tell**", "–", "2.50 (2.40 to 2.60)", "not known"]
    assert "<details open>" in text
    assert "it ran on another CPU" in text


def test_bounds_are_shown_as_bounds(comment):
    text = comment(change(finding="worse", usd_ratio={"value": None, "low": 1.5, "high": None}))
    assert row(text, "8cpu-16gb")[0] == "**worse**: 50.0 % more to any amount more"


def test_a_stack_whose_measurement_failed_has_a_row_that_says_so(comment):
    assert row(comment(expected=["8cpu-16gb"]), "8cpu-16gb")[0].startswith("**no answer**")


def test_without_a_changed_stack_the_comment_says_that_nothing_was_measured(comment):
    assert "No GKE stack differs" in comment(expected=[])


HOSTILE = "</summary><img src=x> `a` @everyone [b](https://evil.example) **c** a|b\n# d"


def test_what_a_pull_request_names_is_shown_and_nothing_else(comment):
    side = SIDE | {"variant": HOSTILE, "objective": HOSTILE, "prices_as_of": HOSTILE}
    text = comment(change(HOSTILE, differs=[HOSTILE], why_not=[HOSTILE], before=side, after=side))
    table, _, _ = text.partition("<details")
    assert all(line.replace("\\|", "").count("|") == 6 for line in table.splitlines() if line.startswith("|"))
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    links = [child.attrs["href"] for child in inline if child.type == "link_open"]
    assert links == [RUN]
    assert not any(token.type == "heading_open" and token.tag == "h1" for token in tokens)
    said = "".join(child.content for child in inline if child.type == "text")
    assert "@everyone" not in said
    assert "<img" not in "".join(token.content for token in tokens if token.type == "html_block")


def test_many_long_reasons_do_not_make_a_comment_that_github_refuses(comment):
    text = comment(*(change(f"s{number}", why_not=["x" * 9000]) for number in range(20)))
    assert len(text) < 65_536
    assert row(text, "s19")[0].startswith("**improved**")


def test_what_is_wrong_in_either_store_is_in_the_comment(tmp_path: Path):
    problem = {"path": "runs/stack=a/1.json", "why": "is not what was written"}
    sides = {"problems": [problem], "against": {"problems": [], "unfinished": ["requests/stack=a/run_id=2"]}}
    (tmp_path / CHANGES).write_text(json.dumps({"changes": [], **sides}))
    text = compose(read_measurement(tmp_path), ["a"], "0123456789", "https://example.com/run")
    assert "skipped: runs/stack=a/1.json is not what was written" in text
    assert "unfinished: requests/stack=a/run_id=2 has rows and no manifest" in text


def test_what_the_command_prints_becomes_the_comment_on_the_pull_request(tmp_path: Path, monkeypatch):
    stores = []
    for name, rps in (("before", 60), ("after", 120)):
        (tmp_path / name).mkdir()
        stores.append(ResultsStore(str(tmp_path / name)))
        write_run(stores[-1], *make_search(rps, rps, deployment=f"d{rps:011x}"))
    printed = CliRunner().invoke(app, ["latest", "--results", stores[1].uri, "--against", stores[0].uri, "--json"])
    (tmp_path / "answer").mkdir()
    (tmp_path / "answer" / CHANGES).write_text(printed.stdout)
    with fake_github() as github:
        for name, value in {
            "GITHUB_API_URL": github.url,
            "GITHUB_REPOSITORY": "acme/shapebench",
            "GITHUB_RUN_ID": "11",
            "GITHUB_TOKEN": TOKEN,
            "PREVIEWED_COMMIT": "0123456789abcdef",
        }.items():
            monkeypatch.setenv(name, value)
        arguments = ["pull_request", "measured", str(tmp_path / "answer"), "8cpu-16gb", "--number", "7"]
        monkeypatch.setattr(sys, "argv", arguments)
        assert command.main() == 0
        (posted,) = github.comments
    assert row(posted["body"], "8cpu-16gb")[0].startswith("**improved**")
