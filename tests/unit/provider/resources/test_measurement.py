"""What a load test leaves in the stack's state, and when it is run again."""

import pytest

from provider.resource import Operation, Props, ResourceError, UnfinishedError
from provider.resources.measurement import Measurement

HERE = Operation(print, print)
BEFORE, AFTER = {"profile": "before", "key": "k"}, {"profile": "after", "key": "k"}


class Scripted(Measurement):
    """Runs are `run-1`, `run-2`, …; while `broken`, they fail."""

    token = "shapebench:tests:Scripted"
    triggers = frozenset({"profile"})
    unkept = frozenset({"key"})

    def __init__(self) -> None:
        self.runs, self.broken = 0, False

    def measure(self, inputs: Props, operation: Operation) -> Props:  # noqa: ARG002 - what it is asked is no matter
        self.runs += 1
        if self.broken:
            raise ResourceError("the load test failed")
        return {"runId": f"run-{self.runs}"}


@pytest.fixture
def test() -> Scripted:
    return Scripted()


@pytest.fixture
def failed(test: Scripted) -> Props:
    """The state after a good test with the inputs BEFORE, and a failed one with AFTER."""
    state = test.create(BEFORE, HERE)
    test.broken = True
    with pytest.raises(UnfinishedError, match="the load test failed") as failure:
        test.update(state, AFTER, HERE)
    test.broken = False
    return failure.value.state


def test_a_finished_test_is_run_again_when_a_trigger_changes_and_not_before(test: Scripted):
    state = test.create(BEFORE, HERE)
    assert state == {"profile": "before", "runId": "run-1"}
    assert test.changed(state, BEFORE) == []
    assert test.changed(state, AFTER) == ["profile"]


def test_a_failed_test_leaves_its_inputs_and_no_run_and_no_secret(failed: Props):
    assert failed == {"profile": "after"}


@pytest.mark.parametrize("inputs", [BEFORE, AFTER], ids=["the settings before it", "its own settings"])
def test_after_a_failed_test_the_next_update_runs_it_whatever_the_settings(
    test: Scripted, failed: Props, inputs: Props
):
    assert "runId" in test.changed(failed, inputs)
    assert test.update(failed, inputs, HERE)["runId"] == "run-3"


def test_a_first_test_that_fails_leaves_nothing(test: Scripted):
    test.broken = True
    with pytest.raises(ResourceError) as failure:
        test.create(BEFORE, HERE)
    assert not isinstance(failure.value, UnfinishedError)
