"""What a load test leaves in the stack's state, and when it runs again."""

from pathlib import Path
from typing import Any

import pytest

from provider.load_test_inputs import LoadTestInputs
from provider.record.repeats import FinishedRun, PlannedRun, RunOnce
from provider.resource import Operation, PartialFailureError, Props, ResourceError
from provider.resources.load_test import LoadTest

NOTHING = Operation(print, print)
HEADLINE = {"p50_ms": 20.25, "p99_ms": 30.6, "requests": 40}


class SecretInputs(LoadTestInputs):
    key: str


class Scripted(LoadTest[SecretInputs, SecretInputs]):
    """Runs whose goodput is 1, 2, …; while `broken`, they fail."""

    token = "shapebench:tests:Scripted"
    inputs = SecretInputs
    triggers = frozenset({"rerun"})
    secrets = frozenset({"key"})

    def __init__(self) -> None:
        self.runs, self.broken = 0, False

    def test_of(self, inputs: SecretInputs, operation: Operation) -> SecretInputs:  # noqa: ARG002 - a hook
        return inputs

    def prepare(self, test: SecretInputs, operation: Operation) -> RunOnce:  # noqa: ARG002 - a hook
        return self._run_once

    def _run_once(self, run: PlannedRun, _: Operation) -> FinishedRun:
        self.runs += 1
        if self.broken:
            raise ResourceError("the load test failed")
        return FinishedRun(run.run_id, HEADLINE | {"goodput_rps": self.runs})


@pytest.fixture
def test() -> Scripted:
    return Scripted()


@pytest.fixture
def before(load_test_inputs: Props) -> Props:
    return load_test_inputs | {"rerun": "before", "key": "k"}


@pytest.fixture
def after(before: Props) -> Props:
    return before | {"rerun": "after"}


@pytest.fixture
def failed(test: Scripted, before: Props, after: Props) -> Props:
    """The state after a good test with the inputs `before`, and a failed one with `after`."""
    state = test.create(before, NOTHING)
    test.broken = True
    with pytest.raises(PartialFailureError, match="the load test failed") as failure:
        test.update(state, after, NOTHING)
    test.broken = False
    return failure.value.state


def without_key(inputs: Props) -> Props:
    return {name: value for name, value in inputs.items() if name != "key"}


def test_a_finished_test_runs_again_when_a_trigger_changes_and_not_before(
    test: Scripted, before: Props, after: Props
) -> None:
    state = test.create(before, NOTHING)
    run_id = state["runId"]
    outputs: Props = {"runId": run_id, "headline": HEADLINE | {"goodput_rps": 1}, "runIds": [run_id]}
    figures = "1.0 good predictions/s, p50 20 ms, p99 31 ms over 40 requests, no price is known"
    outputs |= {"summary": f"{figures}; objective not measured (no capacity search)"}
    assert state == without_key(before) | outputs
    assert test.changed(state, before) == []
    assert test.changed(state, after) == ["rerun"]


def test_the_outputs_are_the_median_runs_and_the_ids_of_all(test: Scripted, before: Props) -> None:
    state = test.create(before | {"repeats": 3}, NOTHING)
    assert state["headline"]["goodput_rps"] == 2
    assert state["summary"].startswith("median of 3 runs: 2.0 good predictions/s, p50 20 ms, p99 31 ms")
    assert len(state["runIds"]) == 3
    assert state["runId"] == state["runIds"][1]


def test_a_failed_test_leaves_its_inputs_and_no_run_and_no_secret(failed: Props, after: Props) -> None:
    assert failed == without_key(after)


@pytest.mark.parametrize("settings", ["before", "after"])
def test_after_a_failed_test_the_next_update_runs_it_whatever_the_settings(
    test: Scripted, failed: Props, settings: str, request: pytest.FixtureRequest
) -> None:
    inputs: dict[str, Any] = request.getfixturevalue(settings)
    assert "runId" in test.changed(failed, inputs)
    assert test.update(failed, inputs, NOTHING)["headline"]["goodput_rps"] == 3


def test_nothing_runs_while_the_results_store_cannot_be_written(test: Scripted, before: Props, after: Props) -> None:
    state = test.create(before, NOTHING)
    Path(before["results"]).rmdir()
    Path(before["results"]).write_text("a file")
    with pytest.raises(PartialFailureError, match=r"cannot be written: .*\. Nothing was measured"):
        test.update(state, after, NOTHING)
    assert test.runs == 1


def test_a_first_test_that_fails_leaves_nothing(test: Scripted, before: Props) -> None:
    test.broken = True
    with pytest.raises(ResourceError) as failure:
        test.create(before, NOTHING)
    assert not isinstance(failure.value, PartialFailureError)
