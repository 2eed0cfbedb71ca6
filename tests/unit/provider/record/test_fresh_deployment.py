"""When the servers are restarted before a run: only where the stack asks for it, and they may have answered one."""

from pathlib import Path

import pytest

from analysis.results.storage.store import ResultsStore, new_run_id
from bench.stores.synthetic import make_manifest
from loadtest.result.servers import ServerState, deployment_of
from provider.load_test_inputs import LoadTestInputs
from provider.record.fresh_deployment import must_restart
from provider.resource import Props, ResourceError
from stacks.load.load_profiles import PROFILES, ClosedLoop

SERVERS = [ServerState("tf-serving-a", "uid-a"), ServerState("tf-serving-b", "uid-b")]
OTHERS = [ServerState("tf-serving-c", "uid-c"), SERVERS[1]]


@pytest.fixture
def inputs(load_test_inputs: Props) -> LoadTestInputs:
    return LoadTestInputs.parse(load_test_inputs | {"freshDeployment": True})


def stored(inputs: LoadTestInputs, servers: list[ServerState], stack: str | None = None) -> None:
    smoke = PROFILES["smoke"]
    assert isinstance(smoke, ClosedLoop)
    made = make_manifest(smoke, stack or inputs.stack)
    update = {"run_id": new_run_id(), "deployment": deployment_of(servers)}
    ResultsStore(inputs.results).write_manifest(made.model_copy(update=update))


def test_servers_that_answered_the_newest_run_are_restarted(inputs: LoadTestInputs) -> None:
    stored(inputs, SERVERS)
    assert must_restart(inputs, SERVERS)
    assert not must_restart(inputs, OTHERS)
    stored(inputs, OTHERS)
    assert must_restart(inputs, OTHERS)
    assert not must_restart(inputs, SERVERS)


def test_servers_that_have_answered_no_run_are_not_restarted(inputs: LoadTestInputs) -> None:
    assert not must_restart(inputs, SERVERS), "the store does not even exist"
    stored(inputs, SERVERS, stack="another")
    assert not must_restart(inputs, SERVERS)


def test_nothing_is_restarted_where_the_stack_does_not_ask_for_it(inputs: LoadTestInputs) -> None:
    stored(inputs, SERVERS)
    assert not must_restart(inputs.model_copy(update={"fresh_deployment": False}), SERVERS)


@pytest.mark.parametrize(("answered", "now"), [([], SERVERS), (SERVERS, [])], ids=["an old manifest", "servers unseen"])
def test_servers_that_may_have_answered_it_are_restarted(
    inputs: LoadTestInputs, answered: list[ServerState], now: list[ServerState]
) -> None:
    stored(inputs, answered)
    assert must_restart(inputs, now)


def test_a_store_that_cannot_be_read_is_an_error_before_the_run(inputs: LoadTestInputs) -> None:
    Path(inputs.results).mkdir()
    (Path(inputs.results) / "runs").mkdir()
    (Path(inputs.results) / "runs" / f"stack={inputs.stack}").write_text("a file")
    with pytest.raises(ResourceError, match=r"cannot be read: .*\. Nothing was measured"):
        must_restart(inputs, SERVERS)
