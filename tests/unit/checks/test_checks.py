import shutil
from pathlib import Path

import pytest

from checks import docs, requirements, scripts
from checks.tree import own_files
from tools.pins import ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small checkout without problems."""
    (tmp_path / ".gitignore").write_text("# made by running\n/build/\n__pycache__/\n")
    (tmp_path / "Makefile").write_text("help: ## list\n\ntest test-unit: setup ## tests\n\nbench-%: setup\nsetup:\n")
    for path in ("bench/serving.py", "stacks/Pulumi.local.yaml", "docs/costs.md", "build/made.md"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("# Costs and prices\n")
    return tmp_path


def problems(tree: Path, text: str) -> list[str]:
    (tree / "README.md").write_text(text)
    return docs.problems(tree, {"report": frozenset({"--p99", "--out"}), "doctor": frozenset()})


def test_a_document_that_names_only_existing_things_has_no_problems(tree: Path):
    text = """
[costs](docs/costs.md), [its heading](docs/costs.md#costs-and-prices), [a site](https://example.org/x), [below](#end)
`stacks/Pulumi.local.yaml`, `stacks/Pulumi.*.yaml`, `serving.py`, `bench/`, `application/json`, `make test-unit`

    make bench-serving
    shapebench report --p99 400ms | sort --reverse    # not --gone
    python -m bench.serving && python -m pytest
    pulumi config set --path shapebench:load.rateRps 8; pulumi config set shapebench:rerun again
    shapebench:local:LoadTest is a resource type

# End
We make nothing up, and shapebench measures.
"""
    assert problems(tree, text) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[a](docs/gone.md)", "docs/gone.md"),
        ("![a picture](docs/pictures/gone.png)", "docs/pictures/gone.png"),
        ("[a](docs/costs.md#gone)", "a heading that does not exist"),
        ("`stacks/Pulumi.gone.yaml`", "stacks/Pulumi.gone.yaml"),
        ("`stacks/gone-*.yaml`", "stacks/gone-*.yaml"),
        ("`gone.py`", "gone.py"),
        ("`build/made.md` and `made.md`", "made.md"),
        ("run `make gone`", "make gone"),
        ("    make bench-gone\n", "make bench-gone"),
        ("```\nmake gone\n```", "make gone"),
        ("`shapebench gone --format json`", "shapebench gone"),
        ("`shapebench report --p99 400ms --gone`", "no option --gone"),
        ("    shapebench doctor --p99 400ms\n", "`shapebench doctor` has no option --p99"),
        ("`shapebench:load.gone`", "shapebench:load.gone"),
        ("    pulumi config set --path shapebench:servings.interOp 4\n", "shapebench:servings.interOp"),
        ("`python -m bench.gone`", "bench.gone"),
        ("As ADR 7 says.", "ADR 7"),
    ],
)
def test_a_name_of_something_missing_is_reported_with_its_document(tree: Path, text: str, named: str):
    found = problems(tree, text)
    assert len(found) == 1
    assert found[0].startswith("README.md: ")
    assert named in found[0]


def test_a_page_that_the_index_does_not_list_is_reported(tree: Path):
    (tree / "docs/adr").mkdir()
    (tree / "docs/adr/0007-a-decision.md").write_text("# 7. A decision\n")
    (tree / "docs/README.md").write_text("[costs](costs.md)")
    (found,) = problems(tree, "As ADR 7 says.")
    assert found.startswith("docs/README.md: ")
    assert "adr/0007-a-decision.md is not in this index" in found


def test_documents_that_git_ignores_are_not_checked(tree: Path):
    (tree / "build/made.md").write_text("[a](gone.md)")
    assert problems(tree, "nothing") == []
    assert tree / "build/made.md" not in set(own_files(tree))


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    """A copy of the real requirement files."""
    shutil.copytree(ROOT / "tools/requirements", tmp_path / "tools/requirements")
    return tmp_path


def test_the_committed_pins_have_no_problems(pinned: Path):
    assert requirements.problems(pinned) == []


@pytest.mark.parametrize("source", ["run.in", "dev.in"])
def test_a_requirement_added_without_pinning_it_is_reported(pinned: Path, source: str):
    with (pinned / "tools/requirements" / source).open("a") as file:
        file.write("requests\n")
    assert any("dev.txt was compiled from another dev.in" in problem for problem in requirements.problems(pinned))


def test_a_compiled_file_with_the_hash_of_its_inputs_has_no_problems(pinned: Path):
    with (pinned / "tools/requirements/dev.in").open("a") as file:
        file.write("requests\n")
    requirements.record_inputs(pinned / "tools/requirements/dev.txt")
    assert requirements.problems(pinned) == []


def test_inputs_are_recorded_first_where_others_are_constrained_by_them(pinned: Path):
    """To record changes a compiled file, and `-c run.txt` makes that an input of plugin.txt."""
    folder = pinned / "tools/requirements"
    compiled = sorted(folder.glob("*.txt"))
    (folder / "run.in").open("a").write("# changed\n")
    for path in requirements.in_order(compiled):
        requirements.record_inputs(path)
    assert requirements.problems(pinned) == []


def test_a_package_index_in_the_pins_is_reported(pinned: Path):
    with (pinned / "tools/requirements/run.txt").open("a") as file:
        file.write("--index-url https://example.org/simple\n")
    assert any("run.txt names a package index" in problem for problem in requirements.problems(pinned))


def test_tiers_that_pin_different_versions_are_reported(pinned: Path):
    compiled = pinned / "tools/requirements/run.txt"
    compiled.write_text(compiled.read_text().replace("\nrich==", "\nrich==1."))
    assert any("but run.txt pins 1." in problem for problem in requirements.problems(pinned))


def test_a_script_that_its_shell_cannot_parse_is_reported(tree: Path):
    (tree / "broken").write_text("#!/bin/sh\nif true; then\n")
    (tree / "sourced.sh").write_text("case x in\n")
    (tree / "good").write_text("#!/usr/bin/env bash\nx=(1 2)\n")
    found = scripts.problems(tree)
    assert sorted(problem.partition(":")[0] for problem in found if not problem.startswith("tools")) == [
        "broken",
        "sourced.sh",
    ]
