"""`shapebench open`: shows the report that was written last in a browser."""

import webbrowser
from pathlib import Path

from analysis.report.folders import REPORT_HTML
from shapebench.output import CommandError, note


def open_report(folder: Path) -> None:
    """Open the report; prints its address where there is no browser. Raises CommandError if there is no report."""
    path = (folder / REPORT_HTML).absolute()
    if not path.is_file():
        raise CommandError(f"there is no report at {path}; `shapebench report --out {folder}` writes one")
    address = path.as_uri()
    if not webbrowser.open(address):
        note(f"this machine has no browser that can be started; open {address}")
