import os
from pathlib import Path

import pytest

from sweep.journal import stacks
from sweep.journal.journal import FILE, Journal
from sweep.journal.stacks import stacks_of
from sweep.tasks import Destroy
from tests.support.sweeps import candidates, settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a sweep of two stacks."""
    journal = Journal.create(tmp_path / "s1", settings(*candidates(a=(2, 4), b=(2,)), simulated=False))
    journal.begin(Destroy("b"))
    journal.close()
    return journal.folder


def test_the_stacks_are_known_without_the_journal(folder: Path) -> None:
    (folder / FILE).unlink()
    (folder / "Pulumi.c.yaml").touch()
    assert stacks_of(folder) == ("a", "b")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"stacks": ["x"], "digest": "0"}', b"[]"])
def test_where_their_list_is_damaged_files_and_journal_name_them(folder: Path, content: bytes) -> None:
    (folder / stacks.FILE).write_bytes(content)
    assert set(stacks_of(folder)) == {"a", "b"}
    os.truncate(folder / FILE, 0)
    (folder / "Pulumi.a.yaml").touch()
    (folder / "b.task.json").touch()
    assert set(stacks_of(folder)) == {"a", "b"}


def test_an_empty_folder_names_none(tmp_path: Path) -> None:
    assert stacks_of(tmp_path) == ()
