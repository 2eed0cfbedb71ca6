"""The script that types the first pages: what it types, what it notices, and what the pages may not hold."""

import re
import subprocess
from pathlib import Path

import pytest

from tools.first_hour import PAGES, StuckError, lines_of, new_user, type_pages
from tools.pins import ROOT

PAGE = """\
# A page

```sh
. ./names.sh   # sets NAME
echo one \\
    two
echo three
```

    echo indented

```sh
# only with an account
exit 1
```

1. In a list:

   ```sh
   # a comment
   false            # none there; exit code 1
   curl --fail x    # exit code 22 without internet
   ```
"""


def commands(text: str) -> list[str]:
    return [line.command for line in lines_of("page.md", text)]


def test_every_line_of_a_block_is_typed_unless_the_block_says_for_whom_it_is():
    assert commands(PAGE) == [
        ". ./names.sh   # sets NAME",
        "echo one \\\n    two",
        "echo three",
        "false            # none there; exit code 1",
        "curl --fail x    # exit code 22 without internet",
    ]


def test_a_line_is_named_by_its_number_on_the_page():
    for line in lines_of("page.md", PAGE):
        assert line.command.partition("\n")[0] in PAGE.splitlines()[line.number - 1]


def test_a_line_must_succeed_unless_its_comment_says_another_exit_code():
    assert [set(line.statuses) for line in lines_of("page.md", PAGE)] == [{0}, {0}, {0}, {1}, {0, 22}]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A git checkout with one file, which is committed, and a folder that git ignores."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "names.sh").write_text("NAME=alice\n")
    (checkout / ".gitignore").write_text("/ignored/\n/*.md\n")
    script = "git init -q && git add . && git -c user.name=a -c user.email=a commit -q -m first"
    subprocess.run(["sh", "-c", script], cwd=checkout, check=True)
    return checkout


def type_into(folder: Path, *blocks: str) -> None:
    """Type pages of one block each."""
    pages = [f"page-{number}.md" for number in range(len(blocks))]
    for page, block in zip(pages, blocks, strict=True):
        (folder / page).write_text(f"```sh\n{block}\n```\n")
    home = folder.parent / "home"
    home.mkdir()
    type_pages(folder, pages, new_user(home, [], caches=False))


def test_the_lines_of_a_page_share_a_shell_and_its_pages_do_not(folder: Path):
    type_into(folder, '. ./names.sh\nexport NAME\ntest "$NAME" = alice', 'test -z "${NAME:-}"')


def test_the_home_is_empty_and_the_users_own_choices_are_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://theirs")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/theirs")
    monkeypatch.setenv("PIP_CERT", "/certificates")
    unset = ["PULUMI_BACKEND_URL", "GOOGLE_APPLICATION_CREDENTIALS"]
    lines = [f'test "$HOME" = {folder.parent}/home', 'test -z "$(ls -A ~)"', 'test "$PIP_CERT" = /certificates']
    type_into(folder, "\n".join([*lines, *(f'test -z "${{{name}:-}}"' for name in unset)]))


def test_nothing_of_this_checkouts_own_environment_is_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", f"{ROOT}/.tools/bin:{ROOT}/.venv/bin:/usr/bin")
    assert new_user(tmp_path, [Path("/stand-in")], caches=False)["PATH"] == "/stand-in:/usr/bin"


@pytest.mark.parametrize("line", ["false", "true # exit code 5", "no-such-program", "echo 'unbalanced"])
def test_a_line_that_ends_otherwise_than_its_page_says_is_named_with_its_place(folder: Path, line: str):
    with pytest.raises(StuckError, match=rf"page-0\.md:3 ended with exit code \d+, not .*`{re.escape(line)}`"):
        type_into(folder, f"true\n{line}")


def test_the_server_that_the_pages_started_is_ended_where_a_line_fails(folder: Path):
    (folder / "tools").mkdir()
    (folder / "tools/env.sh").write_text('pulumi() { echo "$*" > ../asked; }\n')
    with pytest.raises(StuckError, match=r"page-0\.md:2 ended"):
        type_into(folder, "false")
    assert (folder.parent / "asked").read_text() == "destroy --stack local --yes\n"


def test_what_the_pages_changed_is_restored_where_a_line_fails(folder: Path):
    with pytest.raises(StuckError, match=r"page-0\.md:3 ended"):
        type_into(folder, "echo NAME=bob > names.sh\nfalse")
    assert (folder / "names.sh").read_text() == "NAME=alice\n"


def test_what_was_changed_before_stays_where_a_line_fails(folder: Path):
    (folder / "names.sh").write_text("NAME=carol\n")
    with pytest.raises(StuckError, match=r"page-0\.md:2 ended"):
        type_into(folder, "false")
    assert (folder / "names.sh").read_text() == "NAME=carol\n"


def test_a_line_that_prints_a_traceback_is_named_even_if_its_exit_code_is_allowed(folder: Path):
    with pytest.raises(StuckError, match=r"page-0\.md:2 printed a traceback"):
        type_into(folder, "python3 -c 'raise OSError' # exit code 1 without internet")


def test_what_a_line_prints_is_passed_on(folder: Path, capsys: pytest.CaptureFixture[str]):
    type_into(folder, "echo out\necho error >&2\nprintf 'no end of line'")
    printed = capsys.readouterr().out
    assert [line for line in ("out\n", "error\n", "no end of line\n") if f"\n{line}" not in printed] == []


def test_a_line_prints_into_a_terminal_of_80_columns(folder: Path):
    type_into(folder, "python3 -c 'import os; exit(os.get_terminal_size(1).columns)' # exit code 80")


def test_what_is_wider_than_80_columns_is_reported_with_its_place(folder: Path, capsys: pytest.CaptureFixture[str]):
    type_into(folder, "printf '%080d\\n' 0\nprintf '\\033[31m%081d\\033[0m\\n' 1")
    [reported] = re.findall("first hour: wider than 80 columns: (.*)", capsys.readouterr().out)
    assert reported == f"page-0.md:3: {1:081}"


def test_of_a_line_that_is_drawn_many_times_the_last_state_is_passed_on(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    type_into(folder, "printf 'one\\r\\033[Ktwo\\r\\033[Kthree\\n'")
    printed = capsys.readouterr().out
    assert "\nthree\n" in printed
    assert "two" not in printed.replace("three", "").partition("$ printf")[2].partition("\n")[2]


def test_a_line_that_ends_the_shell_is_named(folder: Path):
    with pytest.raises(StuckError, match="the shell ended"):
        type_into(folder, "exit 0")


def test_a_line_that_waits_for_an_answer_gets_none(folder: Path):
    type_into(folder, "read answer   # exit code 1")


@pytest.mark.parametrize("line", ["echo NAME=bob > names.sh", "touch left-behind"])
def test_a_change_that_git_shows_in_the_end_is_an_error(folder: Path, line: str):
    with pytest.raises(
        StuckError,
        match=r"changed what git tracks, or left files behind; let the page undo that:(?s:.*)(names\.sh|left-behind)",
    ):
        type_into(folder, line)


def test_a_change_that_is_taken_back_or_ignored_is_none(folder: Path):
    type_into(folder, "touch names.sh left-behind\nrm left-behind\nmkdir ignored\ntouch ignored/file")


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_first_page_is_fenced_so_that_it_is_typed_or_says_why_not(page: str):
    text = (ROOT / page).read_text()
    assert set(re.findall(r"^ *```(.*)$", text, re.MULTILINE)) <= {"sh", ""}
    prose = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.findall(r"^(?: {4}|\t).*$", prose, re.MULTILINE), "an indented block is not typed"
    assert list(lines_of(page, text))


def test_the_blocks_for_somebody_are_typed_for_them_alone():
    only = [line.command for line in lines_of("page.md", PAGE, "# only with an account")]
    assert only == ["exit 1"]
    assert list(lines_of("page.md", PAGE, "# only with")) == []
