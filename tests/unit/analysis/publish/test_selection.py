"""Which runs may be published, and how each other one is left out."""

from collections import Counter
from pathlib import Path

import pytest

from analysis.publish.selection import Why, select
from analysis.results.schema.manifest import Validity
from analysis.results.schema.other_cpu import OtherCpu
from analysis.results.storage.store import ResultsStore
from bench.stores.synthetic import make_older, write_run
from tests.unit.analysis.publish.contributed import COMMIT, run_id, searched

_BUSY = OtherCpu(node="gke-acme-pool-0", cores=4, machine_cores=8, usable_cores=8)


@pytest.fixture
def store(store: ResultsStore) -> ResultsStore:
    """The store with a run that may be published."""
    write_run(store, *searched(1))
    return store


@pytest.mark.parametrize(
    ("changes", "why", "reason"),
    [
        ({"validity": Validity(verdict="invalid", reasons=("the server died",))}, Why.invalid, "the server died"),
        ({"validity": Validity(verdict="invalid", reasons=())}, Why.invalid, "no reason was recorded"),
        ({"other_cpu": _BUSY}, Why.disturbed, "SHAPEBENCH_OTHER_PROGRAMS"),
        ({"git_commit": f"{COMMIT}-dirty"}, Why.changed, "commit them, and run again"),
        ({"git_commit": None}, Why.no_commit, "from a git checkout"),
        ({"git_commit": "main"}, Why.no_commit, "from a git checkout"),
    ],
    ids=str,
)
def test_a_run_that_is_not_evidence_or_cannot_be_repeated_is_left_out_once(store, changes, why, reason):
    write_run(store, *searched(2, **changes))
    found = select([store.uri])
    assert [run.manifest.run_id for run in found.runs] == [run_id(1)]
    [left_out] = found.left_out
    assert (left_out.what, left_out.why, left_out.store) == (run_id(2), why, store.uri)
    assert reason in left_out.reason


def test_a_run_whose_samples_show_other_programs_is_left_out(store):
    died = Validity(verdict="invalid", reasons=("the run was disturbed: other programs used 3 cores",))
    write_run(store, *searched(2, validity=died))
    assert [each.why for each in select([store.uri]).left_out] == [Why.disturbed]


def test_a_damaged_run_is_left_out_once_and_its_file_is_named(store):
    write_run(store, *searched(2))
    [part] = Path(store.uri).glob(f"requests/*/run_id={run_id(2)}/*")
    part.write_bytes(part.read_bytes()[:-1])
    [left_out] = select([store.uri]).left_out
    assert (left_out.what, left_out.why) == (run_id(2), Why.damaged)
    assert part.name in left_out.reason


def test_a_damaged_manifest_an_unfinished_run_and_a_foreign_file_are_left_out(store):
    [manifest] = Path(store.uri).glob("runs/*/*")
    (manifest.parent / f"{run_id(3)}.json").write_text(manifest.read_text()[:-9])
    (manifest.parent / "notes.txt").write_text("hello")
    store.write_rows("local", run_id(4), "w0", searched(4)[1])
    found = select([store.uri])
    assert Counter(each.why for each in found.left_out) == {Why.unreadable: 2, Why.unfinished: 1}
    assert any(run_id(3) in each.what for each in found.left_out)


def test_a_run_without_digests_is_left_out(store):
    write_run(store, *searched(2))
    make_older(next(Path(store.uri).glob(f"runs/*/{run_id(2)}.json")))
    assert [(each.what, each.why) for each in select([store.uri]).left_out] == [(run_id(2), Why.unverified)]


def test_a_copy_of_a_run_is_one_run_and_two_runs_of_one_id_are_none(store, tmp_path):
    other = ResultsStore(str(tmp_path / "other"))
    write_run(other, *searched(1))
    both = select([store.uri, other.uri, store.uri])
    assert ([run.manifest.run_id for run in both.runs], both.left_out) == ([run_id(1)], ())
    third = ResultsStore(str(tmp_path / "third"))
    write_run(third, *searched(1, capacity_rps=90))
    found = select([store.uri, third.uri])
    assert found.runs == ()
    assert [(each.store, each.why) for each in found.left_out] == [(store.uri, Why.twice), (third.uri, Why.twice)]
