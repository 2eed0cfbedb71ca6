"""`shapebench compare`: what differs between two runs, by stores whose runs were made to differ."""

import json

import pytest
from typer.testing import CliRunner

from analysis.results.schema.manifest import Validity
from analysis.results.storage.store import ResultsStore
from analysis.statistics.summary import summarise
from bench.stores.synthetic import Server, make_manifest, make_rows, write_run
from shapebench.cli import app
from stacks.load.load_profiles import PROFILES

SMOKE = PROFILES["smoke"]
FIRST, SECOND = "01KAAAAAAA0000000000000001", "01KAAAAAAA0000000000000002"


@pytest.fixture
def store(tmp_path):
    return ResultsStore(str(tmp_path / "results"))


def written(store, run_id, server, **changes):
    return write_run(store, make_manifest(SMOKE, run_id=run_id, **changes), make_rows(SMOKE, server))


def compare(store, *arguments):
    return CliRunner().invoke(app, ("compare", *arguments, "--results", store.uri))


def test_each_setting_that_differs_is_there_and_no_other(store):
    first = written(store, FIRST, Server(30, 20))
    changed = first.serving.model_copy(update={"inter_op": 8})
    written(store, SECOND, Server(30, 20), serving=changed)
    found = json.loads(compare(store, FIRST, SECOND, "--json").stdout)
    assert found["settings"] == {"serving.inter_op": [4, 8]}
    assert found["conditions_that_differ"] == []
    printed = compare(store, FIRST, SECOND)
    assert printed.exit_code == 0, printed.output
    assert "serving.inter_op" in printed.stdout
    assert "serving.intra_op" not in printed.stdout
    assert "one run each is no proof" in " ".join(printed.stdout.split())


def test_figures_are_those_of_each_run_and_their_ratio(store):
    runs = [written(store, FIRST, Server(1000, 20)), written(store, SECOND, Server(1000, 40))]
    slow, fast = (summarise(store, run).p50_ms for run in reversed(runs))
    figure = json.loads(compare(store, FIRST, SECOND, "--json").stdout)["figures"]["p50_ms"]
    assert figure["values"] == [fast, slow]
    assert figure["ratio"] == pytest.approx(slow / fast)
    assert figure["ratio"] > 1.5
    low, high = (figure["intervals"][0][end] for end in ("low", "high"))
    assert low <= fast <= high


def test_other_conditions_and_an_invalid_run_are_said(store):
    written(store, FIRST, Server(30, 20))
    died = Validity(verdict="invalid", reasons=("the server died",))
    written(store, SECOND, Server(30, 20), platform="local", validity=died)
    found = compare(store, FIRST, SECOND)
    assert "They ran under different conditions (platform)" in " ".join(found.stdout.split())
    assert "000002 is invalid: the server died" in found.output
    assert json.loads(compare(store, FIRST, SECOND, "--json").stdout)["reasons"] == [[], ["the server died"]]


def test_without_a_difference_there_is_no_table_of_settings(store):
    written(store, FIRST, Server(30, 20))
    written(store, SECOND, Server(30, 20))
    assert "What differs" not in compare(store, FIRST, SECOND).stdout


@pytest.mark.parametrize(
    ("asked", "says"),
    [((FIRST, FIRST), "are one run"), ((FIRST, "01KB"), "no run id"), ((FIRST,), "Missing argument")],
)
def test_what_is_not_two_runs_is_one_error(store, asked, says):
    written(store, FIRST, Server(30, 20))
    written(store, SECOND, Server(30, 20))
    found = compare(store, *asked)
    assert found.exit_code in {1, 2}
    assert says in found.output
    assert "Traceback" not in found.output
