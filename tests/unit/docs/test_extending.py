"""docs/extending.md: its files exist, and its recipes for a shape, a profile, a mode and a metric work in a copy."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import Server, make_manifest, make_rows, write_run
from checks.tree import own_files
from stacks.load.load_profiles import PROFILES
from tools.pins import ROOT

_HEADINGS = {
    "Add a node shape",
    "Add a machine series",
    "Add a load profile",
    "Add a load mode",
    "Add a server",
    "Add a metric of the report",
    "Change what a command prints",
    "Add a policy rule",
    "Add a kind of resource",
    "Add a benchmark",
}
_STEP = re.compile(r"^(\d+)\. `([^`]+)`: \S", re.MULTILINE)
_BLOCK = re.compile(r"^```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)


def recipes() -> dict[str, str]:
    """The text of each recipe by its heading."""
    _, *parts = re.split(r"^## (.+)\n", (ROOT / "docs/extending.md").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def files_of(recipe: str) -> list[str]:
    return [path for _, path in _STEP.findall(recipes()[recipe])]


def code_of(recipe: str) -> str:
    """The one block of code of a recipe."""
    (code,) = _BLOCK.findall(recipes()[recipe])
    return code


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the program and the command read; the tests and the documents are not in it."""
    for path in own_files(ROOT):
        name = path.relative_to(ROOT)
        if name.parts[0] not in {"tests", "docs", "bench", ".github"} and path.is_file() and not path.is_symlink():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, tmp_path / name)
    return tmp_path


def run_in(checkout: Path, *arguments: str) -> str:
    """The output of a Python command that imports from the copy."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=checkout,
        env=os.environ | {"PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_is_a_recipe_for_each_extension():
    assert set(recipes()) == _HEADINGS


@pytest.mark.parametrize("recipe", sorted(_HEADINGS))
def test_a_recipe_numbers_its_files_from_one(recipe: str):
    numbers = [int(number) for number, _ in _STEP.findall(recipes()[recipe])]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers


@pytest.mark.parametrize("recipe", sorted(_HEADINGS))
def test_a_recipe_names_files_that_exist_and_folders_for_new_ones(recipe: str):
    for path in files_of(recipe):
        if "<" in path:
            assert list(ROOT.glob(re.sub("<[a-z]+>", "*", path))), f"nothing is like {path}"
        else:
            assert (ROOT / path).is_file(), path


def test_the_recipe_for_a_shape_makes_a_stack_that_is_parsed_and_priced(checkout: Path):
    (path,) = files_of("Add a node shape")
    (checkout / path.replace("<stack>", "4cpu-16gb")).write_text(code_of("Add a node shape"))
    (command,) = re.findall(r"^    shapebench (.+)$", recipes()["Add a node shape"], re.MULTILINE)
    (stack,) = json.loads(run_in(checkout, "-m", "shapebench", *command.split(), "--format", "json"))
    assert stack["shape"]["name"] == "4cpu-16gb"
    assert (stack["shape"]["vcpus"], stack["shape"]["memory_gb"], stack["shape"]["nodes"]) == (4, 16, 4)
    assert stack["cost"]["hourly"] > 0


def test_the_recipe_for_a_profile_makes_one_that_a_stack_can_name(checkout: Path):
    profiles, *_ = files_of("Add a load profile")
    entry = code_of("Add a load profile")
    (name,) = re.findall(r'^ +"(\w+)": ', entry)
    source = checkout / profiles
    text, count = re.subn(
        r"^(PROFILES\b.*\{\n)", lambda match: match[1] + entry, source.read_text(), flags=re.MULTILINE
    )
    assert count == 1
    source.write_text(text)
    stack = checkout / "stacks/Pulumi.local.yaml"
    stack.write_text(re.sub(r"profile: \w+", f"profile: {name}", stack.read_text()))
    printed = run_in(checkout, "-c", "from stacks.files import load_settings; print(load_settings('local').load)")
    assert "users=8 " in printed
    assert "duration_s=3600.0" in printed


def test_the_recipe_for_a_mode_makes_one_that_is_planned_without_another_file(checkout: Path):
    profiles, *_ = files_of("Add a load mode")
    source = checkout / profiles
    text = source.read_text()
    for place, added in (
        ("class CapacitySearch(", code_of("Add a load mode") + "\n\n"),
        ("CapacitySearch, Field(discriminator", "Soak | "),
    ):
        assert text.count(place) == 1
        text = text.replace(place, added + place)
    source.write_text(text)
    load = {"mode": "soak", "rateRps": 5, "arrivals": "constant", "seed": 1, "maxInFlight": 9, "warmupS": 1}
    stack = checkout / "stacks/Pulumi.local.yaml"
    settings = yaml.safe_load(stack.read_text())
    settings["config"]["shapebench:load"] = load | {"durationS": 3600}
    stack.write_text(yaml.safe_dump(settings))
    printed = run_in(
        checkout,
        "-c",
        "from loadtest.generator.plan import load_plan; from stacks.files import load_settings;"
        "load = load_settings('local').load; print(load.description, load_plan(load.plan_values).due_in_hold())",
    )
    assert printed == "soak test: 5 requests/s, constant arrivals, at most 9 in flight 18000\n"


def test_the_recipe_for_a_metric_shows_it_in_every_table_by_one_file(checkout: Path, tmp_path_factory):
    summary, *_ = files_of("Add a metric of the report")
    source = checkout / summary
    text, count = re.subn(
        r"^    p99_ms: .*\n",
        lambda match: match[0] + code_of("Add a metric of the report"),
        source.read_text(),
        flags=re.MULTILINE,
    )
    assert count == 1
    source.write_text(text)
    folder = tmp_path_factory.mktemp("metric")
    store = ResultsStore(str(folder / "results"))
    smoke = PROFILES["smoke"]
    write_run(store, make_manifest(smoke), make_rows(smoke, Server(capacity_rps=30, service_ms=20)))
    assert "p99.9, ms" in run_in(checkout, "-m", "shapebench", "runs", "--results", store.uri)
    assert re.search(
        r"p99\.9, ms +[\d.]+ \(.+ to .+\)", run_in(checkout, "-m", "shapebench", "show", "--results", store.uri)
    )
    run_in(checkout, "-m", "shapebench", "export", "--results", store.uri, "--out", str(folder / "export"))
    assert "p99.9, ms" in (folder / "export/report.md").read_text()
    assert "p999_ms" in (folder / "export/runs.csv").read_text()
