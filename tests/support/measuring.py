"""Which tests measure: those that need a run to be valid, which it is not while other tests use the machine.

They have the marker `measures` and run alone, after the others (`make test-unit`, `make test-engine`). A test that says
that a run is valid gets the marker here, so that none forgets it. One that needs a valid run without saying so has the
marker in its own module.
"""

import inspect
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest

# The tests of these folders run real load tests.
_FOLDERS = ("tests/engine/", "tests/unit/loadtest/", "tests/unit/provider/")
# Their tests mostly wait for a simulated cloud or cluster: one at a time they would take half an hour.
_STAY_TOGETHER = ("tests/engine/gke/", "tests/engine/bucket/", "tests/engine/load/")
# The tests of a module of these share a stack, and go on from what the tests before them left.
_WHOLE_MODULES = ("tests/engine/",)
_SAYS_VALID = re.compile(r"verdict\b.* == .*\"valid\"|\{\"valid\"\}|\.reasons == \(\)|\.valid_runs\b")


def mark_those_that_measure(items: Iterable[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(_STAY_TOGETHER):
            continue
        if item.nodeid.startswith(_FOLDERS) and isinstance(item, pytest.Function) and _measures(item):
            item.add_marker("measures")


def _measures(item: pytest.Function) -> bool:
    if item.nodeid.startswith(_WHOLE_MODULES):
        return _says_valid(item.path)
    return bool(_SAYS_VALID.search(inspect.getsource(item.function)))


@cache
def _says_valid(module: Path) -> bool:
    return bool(_SAYS_VALID.search(module.read_text(encoding="utf-8")))
