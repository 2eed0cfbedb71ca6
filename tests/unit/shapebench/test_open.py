"""`shapebench open`, as a process of its own: a browser is found once a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.scripts import write_script


@pytest.fixture
def written(tmp_path: Path) -> Path:
    folder = tmp_path / "a report"
    folder.mkdir()
    (folder / "report.html").write_text("<p>one</p>")
    return folder


def open_with(browser: Path | str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "shapebench", "open", str(folder)],
        # Without PATH and a display no other browser is found.
        env={name: value for name, value in os.environ.items() if name not in {"PATH", "DISPLAY", "WAYLAND_DISPLAY"}}
        | {"BROWSER": str(browser), "PATH": "/nothing"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_browser_is_started_with_the_address_of_the_report(written: Path, tmp_path: Path) -> None:
    browser = write_script(tmp_path / "bin/browser", f'echo "$1" > "{tmp_path}/asked"')
    found = open_with(browser, written)
    assert (found.returncode, found.stderr) == (0, "")
    assert (tmp_path / "asked").read_text() == f"{(written / 'report.html').as_uri()}\n"


def test_without_a_browser_the_address_is_printed(written: Path) -> None:
    found = open_with("/nothing/browser", written)
    assert found.returncode == 0
    assert f"open {(written / 'report.html').as_uri()}" in found.stderr


def test_without_a_report_one_error_says_how_to_write_one(tmp_path: Path) -> None:
    found = open_with("/nothing/browser", tmp_path)
    assert (found.returncode, found.stdout) == (1, "")
    assert f"`shapebench report --out {tmp_path}` writes one" in found.stderr
    assert len(found.stderr.splitlines()) == 1
