"""The page: the verdict's own figures and texts, and recipes that are true when they are taken from it."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.objective import Asked
from analysis.publish.folder import PAGE, write_published
from analysis.publish.selection import select
from analysis.report.comparison import ranking_table
from analysis.report.markdown import escaped
from analysis.results.schema.manifest import Manifest, Validity
from analysis.results.storage.store import ResultsStore
from analysis.verdict.text import NO_VERDICT, paragraph
from analysis.verdict.verdict import read_verdict
from bench.stores.synthetic import make_search, write_run
from stacks.files import settings_in
from tests.unit.analysis.publish.contributed import COMMIT, run_id, searched

_RECIPE = re.compile(
    r"### .*?\n\n\d+ runs?: (?P<runs>.*?)\. Commit `(?P<commit>\w+)`\..*?git checkout (?P=commit)\n.*?"
    r"`stacks/Pulumi\.(?P<stack>\S+)\.yaml`:\n\n```yaml\n(?P<file>.*?)```",
    re.DOTALL,
)


def page_of(store: ResultsStore, folder: Path) -> str:
    write_published(select([store.uri]), folder, Asked(), date(2026, 12, 3))
    return (folder / PAGE).read_text(encoding="utf-8")


@pytest.fixture
def store(store: ResultsStore) -> ResultsStore:
    """The store with two runs of one variant and one of another."""
    for number in (1, 2):
        write_run(store, *searched(number))
    write_run(store, *searched(3, 50, stack="4cpu-8gb", machine_type="e2-custom-4-8192", nodes=4))
    return store


def test_the_page_is_dated_and_says_what_the_verdict_says(store: ResultsStore, tmp_path: Path):
    text = page_of(store, tmp_path / "published")
    verdict = read_verdict(ResultsStore(str(tmp_path / "published")), Asked())
    assert text.startswith("# Results of 2026-12-03\n\n3 runs of 2 stacks, measured from 2026-11-20 to 2026-11-20")
    assert escaped(paragraph(verdict)) in text
    assert ranking_table(verdict.ranking).markdown() in text
    assert f"prices: {verdict.scan.manifests[0].cost.source}, of 2026-11-24, us-central1" in text
    for name, value in verdict.conditions.items():
        assert f"- {name}: {escaped(value)}\n" in text
    assert NO_VERDICT not in text


def test_each_run_has_a_recipe_that_the_settings_reader_reads_as_its_settings(store: ResultsStore, tmp_path: Path):
    text = page_of(store, tmp_path / "published")
    runs = {run.run_id: run for run in ResultsStore(str(tmp_path / "published")).scan().manifests}
    repeated: list[str] = []
    for recipe in _RECIPE.finditer(text):
        settings = settings_in(yaml.safe_load(recipe["file"])["config"])
        for each in re.findall(r"`(\w+)`", recipe["runs"]):
            run: Manifest = runs[each]
            assert (recipe["stack"], recipe["commit"]) == (run.stack, COMMIT)
            assert settings.node_shape(run.stack) == run.shape
            assert settings.load.model_copy(update={"seed": 1}) == run.load
            assert f"`{each}` (seed {run.seed})" in recipe["runs"]
            assert settings.variant.model_dump().items() <= run.serving.model_dump().items()
            repeated.append(each)
        assert f"(seed {settings.load.seed})" in recipe["runs"].rpartition("`")[2]
    assert sorted(repeated) == [run_id(1), run_id(2), run_id(3)]


def test_a_rehearsal_is_marked_at_the_top_and_at_each_run(store: ResultsStore, tmp_path: Path):
    local: dict[str, Any] = {"platform": "local", "stack": "local", "machine_type": "e2-custom-2-4096", "nodes": 1}
    rehearsals = ResultsStore(str(tmp_path / "rehearsals"))
    write_run(rehearsals, *make_search(20, 1, 3200, run_id=run_id(9), **local))
    text = page_of(rehearsals, tmp_path / "alone")
    assert f"**{NO_VERDICT}.**" in text.partition("\n## ")[0]
    assert "| local (rehearsal) |" in text
    write_run(store, *make_search(20, 1, 3200, run_id=run_id(9), **local))
    beside = page_of(store, tmp_path / "beside")
    assert NO_VERDICT not in beside
    [row] = [line for line in beside.splitlines() if line.startswith("|") and run_id(9) in line]
    assert "local (rehearsal)" in row
    assert "it ran on this machine, so it does not compare with runs on GKE" in row


def test_the_page_counts_what_is_left_out_and_has_none_of_its_sentences(store: ResultsStore, tmp_path: Path):
    for number in (4, 5):
        died = Validity(verdict="invalid", reasons=("the server died on gke-acme-pool-0",))
        write_run(store, *searched(number, validity=died))
    write_run(store, *searched(6, git_commit=f"{COMMIT}-dirty"))
    text = page_of(store, tmp_path / "published")
    assert "Left out of what was contributed: 2 invalid, 1 of a checkout with changes.\n" in text
    assert "died" not in text
