"""docs/adr/0003-packages-folders-and-records.md gives a reason for each package that is needed, and for no other."""

import re

from tools.pins import ROOT

_ADR = (ROOT / "docs/adr/0003-packages-folders-and-records.md").read_text()
_REQUIREMENTS = ROOT / "tools/requirements"


def names_of(lines: str) -> set[str]:
    """The packages of a requirements file, without versions, options and comments."""
    return {match[0] for line in lines.splitlines() if (match := re.match(r"[A-Za-z0-9][\w.-]*", line))}


def packages_with_a_reason() -> set[str]:
    rows = re.findall(r"^\| ([a-z][^|]*) \|", _ADR, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"[a-z][\w-]*", row)} - {"package"}


def test_every_package_that_the_program_needs_has_a_reason():
    assert names_of((_REQUIREMENTS / "run.in").read_text()) <= packages_with_a_reason()


def test_every_package_with_a_reason_is_installed():
    assert packages_with_a_reason() <= names_of((_REQUIREMENTS / "dev.txt").read_text())
