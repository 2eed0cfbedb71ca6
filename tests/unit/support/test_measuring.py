"""Which tests run alone because they need a valid run."""

from pathlib import Path

import pytest

from tests.support import measuring
from tools.pins import ROOT

pytest_plugins = ["pytester"]

SAYS_VALID = "def test_valid(run):\n    assert run.validity.reasons == ()\n"
SAYS_NOTHING = "def test_other():\n    pass\n"


@pytest.fixture
def marked(pytester: pytest.Pytester):
    """The names of the tests of a module at a path that have the marker."""

    def names(path: str, text: str) -> list[str]:
        module = pytester.path / path
        module.parent.mkdir(parents=True)
        module.write_text(text)
        pytester.makepyprojecttoml(
            '[tool.pytest.ini_options]\nmarkers = ["measures"]\naddopts = "--import-mode=importlib"\n'
        )
        items, _ = pytester.inline_genitems(module)
        measuring.mark_those_that_measure(items)
        return [item.name for item in items if item.get_closest_marker("measures")]

    return names


def test_a_test_that_says_that_a_run_is_valid_measures(marked):
    assert marked("tests/unit/loadtest/test_it.py", SAYS_VALID + SAYS_NOTHING) == ["test_valid"]


def test_in_the_engine_tests_its_whole_module_does_as_its_tests_share_a_stack(marked):
    assert marked("tests/engine/test_it.py", SAYS_VALID + SAYS_NOTHING) == ["test_valid", "test_other"]


def test_a_test_of_rows_that_are_made_up_does_not(marked):
    assert marked("tests/unit/analysis/test_it.py", SAYS_VALID) == []


@pytest.mark.parametrize(
    "line",
    [
        'assert run.validity.verdict == "valid"',
        'assert [run.validity.verdict for run in stack.runs()] == ["invalid", "valid"]',
        'assert {run.validity.verdict for run in runs} == {"valid"}',
        "assert went_well.outcome.reasons == ()",
        "eventually(sweeps.valid_runs, 'measured')",
    ],
)
def test_it_may_say_so_in_any_of_these_ways(marked, line):
    assert marked("tests/unit/provider/test_it.py", f"def test_valid():\n    {line}\n") == ["test_valid"]


def test_both_tiers_run_those_that_measure_after_the_others_and_no_other_beside_them():
    makefile = Path(ROOT / "Makefile").read_text()
    assert "ALONE := python -m pytest -m measures\n" in makefile
    for tier in ("unit", "engine"):
        (others,) = [
            line
            for line in makefile.splitlines()
            if line.endswith(f"tests/{tier} || failed=1; \\") and "not measures" in line
        ]
        assert "$(PYTEST)" in others
        assert f"$(ALONE) tests/{tier} || failed=1" in makefile
