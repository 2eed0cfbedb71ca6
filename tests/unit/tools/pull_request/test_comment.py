import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tools.pull_request.comment import MARKER, compose
from tools.pull_request.latest import Figure, Latest
from tools.pull_request.preview import Change, Preview

RUN = "https://github.com/acme/shapebench/actions/runs/7"
COST = {
    "serving": {"monthly": 1428.13, "monthlyWithFreeTier": 1355.13},
    "test": {"hourly": 0.14},
    "pricesAsOf": "2026-11-24",
    "unpriced": [],
}


LINK = ("link_open", "link_close")


def preview(stack: str = "8cpu-16gb", **changes: Any) -> Preview:
    whole = {
        "stack": stack,
        "failed": False,
        "changes": (Change(op="create", kind="Cluster", name="one"), Change(op="delete", kind="Pod", name="two")),
        "cost": COST,
        "problems": (),
    }
    return Preview(**(whole | changes))


def comment(*previews: Preview, expected: list[str] | None = None) -> str:
    return compose(previews, expected or [previewed.stack for previewed in previews], "0123456789abcdef", RUN)


def row(text: str, stack: str) -> list[str]:
    line = re.search(rf"^\| `{stack}` (\|.*)\|$", text, re.MULTILINE)
    assert line is not None
    return [cell.strip() for cell in line[1].split("|")[1:]]


def test_each_stack_has_its_changes_and_its_cost_in_one_row():
    text = comment(preview(), preview("local", cost=None, changes=()))
    assert row(text, "8cpu-16gb") == [
        "1 to create, 1 to delete",
        "1,428.13 (1,355.13)",
        "0.14",
        "not measured yet",
    ]
    assert row(text, "local") == ["none", "–", "–", "not measured yet"]
    assert text.startswith(MARKER)
    assert "0123456789" in text
    assert "On-demand list prices of `2026-11-24`" in text


def test_a_stack_that_was_measured_shows_its_cost_its_capacity_and_the_day():
    latest = Latest(
        variant="8cpu-16gb · interop4",
        measured_at=datetime(2026, 11, 20, tzinfo=UTC),
        objective="p99 within 500 ms",
        capacity_rps=Figure(value=412.3, low=390, high=None),
        usd_per_million=Figure(value=0.0612, low=0.05, high=0.071),
        usd_hourly=0.54,
        prices_as_of="2026-11-24",
        deployments=3,
        runs=3,
    )
    text = comment(preview(latest=latest))
    assert row(text, "8cpu-16gb")[3] == (
        "0.0612 (0.0500 to 0.0710) at 412 (390 to no upper bound) requests/s on 2026-11-20"
    )
    assert "Last measured: the cost of a million predictions at capacity" in text
    of_requests = Figure(value=0.2448, low=0.2, high=0.284)
    several = latest.model_copy(update={"predictions_per_request": 4, "usd_per_million_requests": of_requests})
    assert row(comment(preview(latest=several)), "8cpu-16gb")[3] == (
        "0.0612 (0.0500 to 0.0710) at 412 (390 to no upper bound) requests/s"
        " (4 predictions a request; a million requests: 0.24 (0.20 to 0.28) USD) on 2026-11-20"
    )


def test_the_last_commits_are_shown_where_there_is_more_than_one():
    def at(commit, usd):
        figure = Figure(value=usd, low=usd - 0.5, high=usd + 0.5)
        return Latest(
            variant="8cpu-16gb", measured_at=datetime(2026, 11, 20, tzinfo=UTC), commit=commit, objective="p99",
            capacity_rps=Figure(value=50, low=40, high=60), usd_per_million=figure, usd_hourly=1,
            prices_as_of="2026-11-24", deployments=1, runs=1,
        )  # fmt: skip

    newest, first = at("0123456789abcdef-dirty", 3.0), at(None, 4.0)
    text = comment(preview(history=(newest, first)))
    assert (
        "2026-11-20 0123456789 8cpu-16gb: 3.00 (2.50 to 3.50) USD a million at 50.0 (40.0 to 60.0) requests/s\n"
        "2026-11-20 unknown 8cpu-16gb: 4.00 (3.50 to 4.50) USD a million at 50.0 (40.0 to 60.0) requests/s\n"
    ) in text
    assert "The last commits" not in comment(preview(history=(newest,)))


def test_what_is_wrong_in_the_results_store_is_named_once_and_hides_no_stack():
    damaged = "skipped: runs/stack=8cpu-16gb/1.json is not what was written"
    text = comment(preview(store_skipped=(damaged,), latest_excluded=("not used: 2: its files are missing",)))
    assert text.count(damaged) == 1
    assert "not used: 2: its files are missing" in text
    assert row(text, "8cpu-16gb")[3] == "not known: see what is not used"


def test_a_rehearsal_is_marked_as_one():
    figure = Figure(value=1, low=1, high=1)
    latest = Latest(
        variant="local", rehearsal=True, measured_at=datetime(2026, 11, 20, tzinfo=UTC), objective="p99",
        capacity_rps=figure, usd_per_million=figure, usd_hourly=1, prices_as_of="2026-11-24", deployments=1, runs=1,
    )  # fmt: skip
    assert row(comment(preview(latest=latest)), "8cpu-16gb")[3].endswith("2026-11-20, a rehearsal")


def test_a_results_store_that_could_not_be_read_is_said_with_the_reason():
    text = comment(preview(latest_problem="no permission ```"))
    assert row(text, "8cpu-16gb")[3] == "not known: the results store was not read"
    assert "no permission ```\n````" in text


def test_a_stack_without_a_preview_has_a_row_that_says_so():
    assert "no preview" in row(comment(preview(), expected=["8cpu-16gb", "2cpu-4gb"]), "2cpu-4gb")[0]


def test_a_sum_with_an_unpriced_item_is_a_lower_bound_and_names_the_item():
    text = comment(preview(cost={"serving": {"monthlyAtLeast": 5.0}, "test": {}, "unpriced": ["cluster fee"]}))
    assert row(text, "8cpu-16gb")[1] == "≥ 5.00"
    assert "Not in the sums, because they have no price: `cluster fee`." in text


def test_problems_are_shown_unfolded():
    text = comment(preview(failed=True, problems=("[mandatory] exact-images: Pod x",)))
    assert row(text, "8cpu-16gb")[0] == "**failed**"
    assert "<details open>" in text
    assert "[mandatory] exact-images: Pod x" in text


def test_changes_are_a_diff_block_with_a_sign_for_each_operation():
    lines = comment(preview()).splitlines()
    assert "+ create Cluster one" in lines
    assert "- delete Pod two" in lines


@example("a\n```\nb")
@example("`````")
@given(st.text(alphabet="`\n@<>x ", max_size=60))
def test_backticks_in_an_error_do_not_end_its_block(problem: str):
    text = comment(preview(failed=True, problems=(problem,), changes=()))
    opening = re.search(r"</summary>\n\n(`{3,})\n", text)
    assert opening is not None
    inside = text[opening.end() :]
    closing = re.search(rf"^{opening[1]}$", inside, re.MULTILINE)
    assert closing is not None
    assert inside[: closing.start()].rstrip("\n") == problem.rstrip("\n")


HOSTILE = "</summary><img src=x> `a` @everyone [b](https://evil.example) **c** a|b"


def test_what_a_pull_request_names_is_shown_and_nothing_else():
    change = Change(op="create", kind=HOSTILE, name=HOSTILE)
    cost = COST | {"pricesAsOf": HOSTILE, "unpriced": [HOSTILE]}
    text = comment(preview(HOSTILE, changes=(change,), cost=cost, problems=(HOSTILE,)), expected=[HOSTILE, "x`|y"])
    table, _, _ = text.partition("<details>")
    assert all(line.replace("\\|", "").count("|") == 6 for line in table.splitlines() if line.startswith("|"))
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in inline} <= {"text", "code_inline", "strong_open", "strong_close", *LINK}
    (link,) = (child.attrs["href"] for child in inline if child.type == "link_open")
    assert link == RUN
    blocks = "".join(token.content for token in tokens if token.type == "html_block")
    assert "<img" not in blocks
    assert blocks.count("</summary>") == 1
    said = "".join(child.content for child in inline if child.type == "text")
    assert "@everyone" not in said
    assert "evil" not in said


@pytest.mark.parametrize("names", [1, 100])
def test_a_comment_is_never_longer_than_github_allows(names: int):
    changes = tuple(Change(op="create", kind="K" * 400, name=f"{number}") for number in range(200))
    stacks = [preview(f"s{number}", changes=changes, problems=("x" * 9000,)) for number in range(names)]
    text = comment(*stacks)
    assert len(text) < 65_536
    assert row(text, "s0")[0] == "200 to create"
    assert ("… and 140 more" in text) == (names == 1)
    assert (f"too long for a comment; see [the log]({RUN})" in text) == (names == 100)
