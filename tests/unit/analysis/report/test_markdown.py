"""Text that somebody else wrote shows in Markdown as it is: a renderer finds text in it, and nothing else."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from analysis.objective import Objective
from analysis.report.collect import collect
from analysis.report.document import document
from analysis.report.markdown import code, escaped
from analysis.report.render import fill
from analysis.report.tables import Column, Table
from analysis.results.schema.manifest import Validity
from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import Server, make_manifest, make_rows, write_run
from stacks.load.load_profiles import PROFILES

GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE = (
    "[free money](https://evil.example) ![](https://evil.example/pixel.png) <img src=x onerror=alert(1)> @everyone"
    " `code` **bold** _em_ ~~gone~~ $\\LaTeX$ &copy; a|b https://evil.example \\"
)
line = st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])).map(
    lambda text: " ".join(text.split())
)


def kinds(tokens) -> set[str]:
    return {token.type for token in tokens} | {
        child.type for token in tokens if token.children for child in token.children
    }


def text_of(tokens) -> str:
    return "".join(child.content for token in tokens if token.children for child in token.children)


@given(line)
@example(HOSTILE)
@example("__init__ snake_case _em_")
@example("&#64;everyone &amp; AT&T")
def test_escaped_text_is_rendered_as_the_text_that_it_is(text: str):
    tokens = GITHUB.parse(f"x {escaped(text)} x")
    assert kinds(tokens) <= {"paragraph_open", "inline", "text", "text_special", "paragraph_close"}
    assert text_of(tokens).replace("@\N{WORD JOINER}", "@") == f"x {text} x"


@given(line)
@example("a ``b`` `")
def test_code_is_one_span_with_the_text(text: str):
    if not text:
        return
    tokens = GITHUB.parse(f"x {code(text)} x")
    (span,) = (child for token in tokens if token.children for child in token.children if child.type == "code_inline")
    assert span.content == text


@given(st.lists(line.filter(bool), min_size=2, max_size=2))
@example([HOSTILE, HOSTILE])
@example(["a|b", "`|`"])
def test_a_cell_stays_in_its_cell(cells: list[str]):
    table = Table("t", (Column("text", "text"), Column("code", "code")), (tuple(cells),))
    tokens = GITHUB.parse(table.markdown())
    first, second = [token for token in tokens if token.type == "inline"][2:]
    assert kinds([first]) <= {"inline", "text", "text_special"}
    assert [child.type for child in second.children or ()] == ["code_inline"]


def test_what_steers_a_terminal_is_replaced():
    steering = "a\x1b[2Jb\x9b2J\u202ec"
    for written in (escaped(steering), code(steering)):
        assert not {"\x1b", "\x9b", "\u202e"} & set(written)
        assert written.count("\N{REPLACEMENT CHARACTER}") == 3


def test_nobody_is_mentioned_and_no_address_becomes_a_link():
    written = escaped("@acme/admins see https://evil.example")
    assert "@acme" not in written
    assert "https://" not in written


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> str:
    """The Markdown of a store whose every text is hostile."""
    store = ResultsStore(str(tmp_path_factory.mktemp("hostile") / "results"))
    smoke = PROFILES["smoke"]
    for stack, nodes in (("2cpu-4gb", 8), ("4cpu-8gb", 4)):
        manifest = make_manifest(smoke, stack, "e2-custom-2-4096", nodes)
        replicas = tuple(
            replica.model_copy(update={"cpu_model": HOSTILE, "name": HOSTILE}) for replica in manifest.replicas
        )
        changes = {"replicas": replicas, "software": {HOSTILE: HOSTILE}, "git_commit": HOSTILE}
        serving = manifest.serving.model_copy(update={"image": HOSTILE, "server_version": HOSTILE})
        write_run(store, manifest.model_copy(update={**changes, "serving": serving}), make_rows(smoke, Server(40, 20)))
    refused = make_manifest(smoke, "8cpu-16gb", validity=Validity(verdict="invalid", reasons=(HOSTILE,)))
    write_run(store, refused, make_rows(smoke, Server(40, 20)))
    findings = replace(collect(store, Objective(latency_ms=500)), store_uri=HOSTILE)
    return fill("report.md", document(findings), HOSTILE)


def test_a_report_of_a_hostile_store_has_no_link_picture_html_or_mention(report: str):
    found = kinds(GITHUB.parse(report))
    assert "free money" in report
    assert {"heading_open", "table_open", "bullet_list_open"} <= found
    assert not found & {"link_open", "image", "html_inline", "html_block", "strong_open", "em_open", "s_open", "fence"}
    without_code = report.replace(code(HOSTILE), "")
    assert "@everyone" not in without_code
    assert "https://evil" not in without_code
