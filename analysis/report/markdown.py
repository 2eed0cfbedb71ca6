"""Text of runs and their stores as Markdown that shows it and does nothing else: anybody may have written it."""

import re

from analysis.formatting import printable

# What begins markup in GitHub's Markdown within a line (https://github.github.com/gfm/), and its formulas (`$`).
_MARKUP = re.compile(r"[\\`*\[\]<>|~$]|&(?=[#\w]+;)|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|(?<=[A-Za-z]):(?=//)")
_MENTION = re.compile(r"@(?=\w)")
_WORD_JOINER = "\N{WORD JOINER}"


def escaped(text: str) -> str:
    """The text in one line, with a backslash before each character that begins markup; it mentions nobody."""
    return _MENTION.sub(f"@{_WORD_JOINER}", _MARKUP.sub(r"\\\g<0>", _line(text)))


def code(text: str) -> str:
    """The text in one line, as a code span that no run of backticks in it ends."""
    line = _line(text)
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    space = " " if line[:1] == "`" or line[-1:] == "`" else ""
    return f"{fence}{space}{line}{space}{fence}"


def _line(text: str) -> str:
    return printable(" ".join(text.split()))
