"""The life of a local stack whose results are in a bucket. Each test goes on where the last one stopped."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from analysis.results.schema.manifest import Manifest
from analysis.results.storage.store import ResultsStore
from shapebench.cli import app
from shapebench.output import REHEARSAL_EXIT_CODE
from tests.engine.harness import SMOKE, WORK_DIR, Stack, generators, servers_on
from tests.support.object_store.refusing_proxy import RefusingProxy, refusing_proxy


@pytest.fixture(scope="module")
def served() -> Iterator[RefusingProxy]:
    with refusing_proxy() as proxy:
        yield proxy


@pytest.fixture(scope="module", autouse=True)
def uri(served: RefusingProxy, stack: Stack) -> str:
    stack.config["results"] = served.uri("prefix")
    # One user saturates no server, so what the run says of the capacity does not depend on a machine's speed.
    stack.config["load"] = SMOKE | {"users": 1}
    return served.uri("prefix")


def direct(served: RefusingProxy) -> str:
    """The URI of the same store, past the proxy: Arrow opens some files with Python's lock held, and it is Python's."""
    return served.store.uri("prefix")


def runs(served: RefusingProxy) -> tuple[Manifest, ...]:
    return ResultsStore(direct(served)).scan().manifests


def made(stack: Stack) -> list[str]:
    """The types of the stack's resources, without Pulumi's own and the component that they are in."""
    types = [resource["type"] for resource in stack.resources()]
    return [kind for kind in types if not kind.startswith("pulumi:") and not kind.endswith(":LocalPlatform")]


@pytest.mark.parametrize(("code", "why"), [(403, "does not have storage.objects.create access"), (401, "Invalid Cred")])
def test_a_bucket_that_refuses_ends_the_update_before_anything_is_started(
    stack: Stack, uri: str, served: RefusingProxy, code: int, why: str
):
    served.refuse = lambda method, _: code if method == "POST" else None
    failed = stack.up()
    assert failed.returncode != 0
    assert f"the results store '{uri}' cannot be written: " in failed.stdout
    assert why in failed.stdout
    assert "role Storage Object User" in failed.stdout
    assert "Traceback" not in failed.stdout
    assert made(stack) == []
    assert servers_on(stack.config["local"]["restPort"]) == []
    assert served.store.objects() == []


def test_up_stores_its_run_in_the_bucket_and_nothing_else(stack: Stack, served: RefusingProxy):
    served.refuse = lambda _method, _path: None
    stack.must_up()
    (run,) = runs(served)
    assert run.run_id == stack.outputs()["runId"]
    assert run.validity.verdict == "valid"
    assert [re.sub(run.run_id, "ID", name) for name in served.store.objects()] == [
        f"prefix/requests/stack={stack.name}/run_id=ID/part-locust-0.parquet",
        f"prefix/runs/stack={stack.name}/ID.json",
        f"prefix/samples/stack={stack.name}/run_id=ID/samples.parquet",
    ]
    stack.must("preview", "--expect-no-changes")


def test_the_commands_read_the_run_of_the_stack(stack: Stack, served: RefusingProxy, tmp_path: Path):
    def shown(*arguments: str) -> str:
        done = CliRunner().invoke(app, (*arguments, "--results", direct(served)))
        # Whatever the load can tell, on this machine it is a rehearsal.
        assert done.exit_code == (REHEARSAL_EXIT_CODE if arguments[0] == "verdict" else 0), done.output
        return done.stdout

    run_id = stack.outputs()["runId"]
    assert [run["run_id"] for run in json.loads(shown("runs", "--format", "json"))["runs"]] == [run_id]
    shown("report", "--out", str(tmp_path))
    assert stack.name in (tmp_path / "report.md").read_text()
    verdict = json.loads(shown("verdict", "--p99", "30s", "--format", "json"))
    assert verdict["ranking"] == []
    assert [run["run_id"] for run in verdict["excluded"]] == [run_id], "a closed loop says nothing of the capacity"
    ((command,),) = (step["commands"] for step in verdict["next"])
    assert command.startswith(f"shapebench sweep --stack {stack.name} ")
    assert command.endswith(f" --results {shlex.quote(direct(served))}"), "its runs go to where this one is"


def test_a_variant_is_not_started_while_the_bucket_refuses(stack: Stack, served: RefusingProxy):
    before = stack.outputs()["serverPid"]
    served.refuse = lambda method, _: 403 if method == "POST" else None
    stack.config["serving"] = {"protocol": "rest", "interOp": 1, "intraOp": 1}
    failed = stack.up()
    assert failed.returncode != 0
    assert "cannot be written: " in failed.stdout
    (server,) = servers_on(stack.config["local"]["restPort"])
    assert server.pid == before
    assert len(runs(served)) == 1


def test_a_bucket_that_refuses_after_the_test_leaves_the_raw_rows_and_says_where(stack: Stack, served: RefusingProxy):
    served.refuse = lambda method, path: 403 if method == "POST" and "requests" in path else None
    failed = stack.up()
    assert failed.returncode != 0
    assert "Traceback" not in failed.stdout
    run_id = re.search(r"run (\w{26}) was measured and not stored: the results store", failed.stdout)
    assert run_id is not None
    assert list((WORK_DIR / run_id[1]).glob("*.csv"))
    assert generators(stack) == []
    assert len(runs(served)) == 1


def test_the_next_update_measures_and_stores_the_variant(stack: Stack, served: RefusingProxy):
    served.refuse = lambda _method, _path: None
    stack.must_up()
    assert [run.serving.inter_op for run in runs(served)] == [2, 1]


def test_destroy_needs_no_bucket_and_keeps_the_runs(stack: Stack, served: RefusingProxy):
    served.refuse = lambda _method, _path: 403
    stack.must("destroy", "--yes", "--skip-preview")
    served.refuse = lambda _method, _path: None
    assert servers_on(stack.config["local"]["restPort"]) == []
    assert len(runs(served)) == 2
