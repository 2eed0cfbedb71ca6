"""Markdown for comments on GitHub, in which nothing that a pull request names has a meaning of its own."""

import re
from collections.abc import Iterable

# A pull request decides what its stacks, resources and prices are called, so all of it is code, where Markdown and HTML
# mean nothing, and nobody is mentioned.

_MOST_SKIPPED = 8_000


def fenced(text: str, language: str = "") -> str:
    """The text in a code block whose fence is longer than any run of backticks in it."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def short_commit(commit: str) -> str:
    return commit[:10]


def code(text: str) -> str:
    """The text in one line, as a code span that no run of backticks in it ends."""
    line, fence = " ".join(text.split()), "`" * (_longest_run(text) + 1)
    return f"{fence} {line} {fence}" if "`" in line else f"{fence}{line}{fence}"


def cell(text: str) -> str:
    """The same in a table, whose cells end at a `|`."""
    return code(text).replace("|", "\\|")


def skipped_details(lines: Iterable[str]) -> str:
    """What was skipped in results stores, each line once; empty if nothing was."""
    unique = list(dict.fromkeys(lines))
    if not unique:
        return ""
    summary = f"<summary>Results store: {len(unique)} skipped</summary>"
    return f"<details open>{summary}\n\n{fenced(chr(10).join(unique)[:_MOST_SKIPPED])}\n\n</details>"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)
