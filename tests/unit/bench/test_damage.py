"""One damage of each kind, and the readers that are quick; `make bench-damage` does 500 and runs all readers."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from analysis.results.storage.store import ResultsStore
from bench.damage import judged
from bench.stores.damages import KINDS, damage, write_bomb
from bench.stores.nine_runs import write_nine_runs
from bench.stores.readers import readers

QUICK = [reader for reader in readers() if reader.name in {"runs --json", "latest --json", "show", "Store.runs"}]
# Root reads whatever its owner may not.
NUMBERS = [
    number
    for number, kind in enumerate(KINDS)
    if os.geteuid() or kind.__name__ not in {"_no_permission", "_not_searchable"}
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("whole") / "results"
    write_nine_runs(folder)
    write_bomb(folder.with_name("bomb.parquet"), 60_000_000)
    return folder


@pytest.fixture(scope="module")
def before(whole: Path) -> dict[str, Any]:
    return read(whole, whole, whole.with_name("out"), ResultsStore(str(whole)).scan().manifests[0].run_id)


def read(store: Path, whole: Path, out: Path, run_id: str) -> dict[str, Any]:
    return {reader.name: reader.read(store, whole, out, run_id) for reader in QUICK}


def test_of_a_whole_store_nothing_is_said_that_names_a_damage(whole: Path, before: dict[str, Any]) -> None:
    scan = ResultsStore(str(whole)).scan()
    assert (len(scan.manifests), scan.problems, scan.unfinished) == (9, (), ())
    assert [answer.crash for answer in before.values() if answer.crash or answer.failed] == []


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: KINDS[number].__name__.strip("_"))
def test_each_damage_is_named_and_hides_no_healthy_run(
    whole: Path, before: dict[str, Any], tmp_path: Path, number: int
) -> None:
    store = tmp_path / "results"
    shutil.copytree(whole, store)
    done = damage(store, number, whole.with_name("bomb.parquet"))
    healthy = [run for run in ResultsStore(str(whole)).scan().manifests if run.run_id not in done.hurt]
    run_id = next(iter(done.hurt)) if done.in_rows else healthy[0].run_id
    found = judged(done, read(store, whole, tmp_path / "out", run_id), before, healthy, run_id)
    assert found == {"unnoticed": [], "crashed": {}, "hidden": {}}, json.dumps([done.kind, sorted(done.names)])
