"""The documentation as a website: `make docs` builds it with Sphinx. Its navigation is the index in README.md."""

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

_DOCS = Path(__file__).parent
sys.path.insert(0, str(_DOCS.parent))

from stacks.version import VERSION  # noqa: E402 - after the checkout is on the path

project, release, copyright = "shapebench", VERSION, "the authors of shapebench"  # noqa: A001 - Sphinx's names
extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "README"
exclude_patterns = ["pictures"]
html_theme, html_title = "furo", f"shapebench {VERSION}"
# As GitHub has them, where the pages are read, too.
myst_heading_anchors = 4
# The signatures of the interface for notebooks name packages that only a notebook loads.
autodoc_typehints = "description"
# Docstrings mark code as the pages do, and commands keep their two dashes.
default_role, smartquotes = "code", False

_SECTION = re.compile(r"^## (?P<title>.+)$", re.MULTILINE)
_PAGE = re.compile(r"^- \[(?P<title>[^\]]+)\]\((?P<page>[^)#]+)\)(?::\s*(?P<about>(?:.|\n(?!- |\n))+))?", re.MULTILINE)


def sections() -> list[tuple[str, list[tuple[str, str, str]]]]:
    """The sections of the index, each with its pages: title, file, what it is about."""
    _, *parts = re.split(_SECTION.pattern, (_DOCS / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [
        (title, [(name, page, " ".join((about or "").split())) for name, page, about in _PAGE.findall(text)])
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    ]


def add_navigation(_app: Sphinx, page: str, source: list[str]) -> None:
    """Add the sections of the index as tables of contents, which Sphinx's navigation is made from."""
    if page != root_doc:
        return
    for title, pages in sections():
        files = [file.removesuffix(".md") for _, file, _ in pages if file.endswith(".md")]
        source[0] += "\n".join(["\n\n```{toctree}", ":hidden:", f":caption: {title}", "", *files, "```"])


def write_llms_txt(app: Sphinx, error: Exception | None) -> None:
    """Write the index for language models (https://llmstxt.org), with the pages' own Markdown."""
    if error is not None:
        return
    lines = [
        "# shapebench",
        "",
        "> Which node shape should serve a TensorFlow model: answered with money and statistics.",
    ]
    for title, pages in sections():
        lines += ["", f"## {title}", ""]
        lines += [f"- [{name}](_sources/{page}.txt): {about}" for name, page, about in pages if page.endswith(".md")]
    (Path(app.outdir) / "llms.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_navigation)
    app.connect("build-finished", write_llms_txt)
