"""docs/first-run-on-google-cloud.md: the messages that it quotes are the program's own, and no cell is empty."""

import ast
import re

import pytest

from checks.tree import own_files
from tools.pins import ROOT

PAGE = ROOT / "docs/first-run-on-google-cloud.md"
QUOTED = re.findall(r"“([^”]+)”", PAGE.read_text())


def text_of(node: ast.AST) -> str:
    """A text as the page quotes it, with an ellipsis for each value of an f-string; empty where it is none."""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "…" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


@pytest.fixture(scope="module")
def texts() -> str:
    """Every text in the program's sources."""
    files = [path for path in own_files(ROOT) if path.suffix == ".py" and "tests" not in path.parts]
    return "\n".join(text_of(node) for path in files for node in ast.walk(ast.parse(path.read_text())))


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_quoted_message_is_one_of_the_program(quoted: str, texts: str):
    assert quoted in texts


def test_each_row_has_an_assumption_its_sign_and_what_to_do():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    assert len(rows) > 40
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 3, row
        assert all(cells), row
