"""`make bench-smoke` finds every benchmark, its smallest size, and says which does not run."""

import sys

import pytest

from bench import smoke

WRITES = """
import json, os, sys
from pathlib import Path

SMALLEST = ("--rounds", "1")


def main():
    folder = Path(os.environ["SHAPEBENCH_BENCH_FOLDER"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "quick.json").write_text(json.dumps(sys.argv[1:]))


main()
"""


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A checkout with the benchmarks `quick` and `broken`, and a module that is none."""
    folder = tmp_path / "bench"
    folder.mkdir()
    for name, text in {
        "quick": WRITES,
        "broken": "def main(): ...\nimport no_such_module\n",
        "helpers": "",
        "__init__": "",
    }.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.setattr(smoke, "_HERE", folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_benchmark_of_the_makefile_is_found():
    names = smoke.benchmarks()
    assert {"generator", "memory", "plan", "protocols", "serving", "sweep"} <= set(names)
    assert not {"figures", "rate_search", "smoke"} & set(names)


def test_a_benchmark_is_started_at_its_smallest_size_and_its_figures_stay_apart(bench, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["smoke", "quick"])
    assert smoke.main() == 0
    assert (bench / "build/bench-smoke/quick.json").read_text() == '["--rounds", "1"]'
    assert not (bench / "build/bench").exists()
    assert "quick: 2 figures" in capsys.readouterr().out


def test_a_benchmark_that_does_not_run_is_named_with_its_output(bench, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["smoke"])
    assert smoke.main() == 1
    said = capsys.readouterr().out
    assert "no_such_module" in said
    assert "these benchmarks do not run: broken" in said


def test_a_benchmark_without_a_smallest_size_is_started_without_arguments(bench):
    assert smoke.smallest("broken") == ()
