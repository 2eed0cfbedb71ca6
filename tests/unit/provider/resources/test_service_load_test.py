"""What a preview checks of a service's load test, and what makes it run again."""

from pathlib import Path
from typing import Any

import pytest

from provider.resource import UNKNOWN, Operation, ResourceError
from provider.resources.service_load_test import ServiceLoadTest

INPUTS: dict[str, Any] = {
    "service": "mine",
    "url": "http://127.0.0.1:1",
    "model": {"name": "mine"},
    "shape": {"machineType": "e2-standard-2", "nodes": 1},
    "load": {"profile": "smoke"},
    "startTimeoutS": 0.1,
}
KIND = ServiceLoadTest()


@pytest.fixture(autouse=True)
def in_the_programs_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_right_inputs_stay_as_they_are() -> None:
    assert KIND.check(INPUTS) == INPUTS


@pytest.mark.parametrize("name", ["url", "rerun"])
def test_the_other_inputs_are_checked_while_one_is_computed_later(name: str) -> None:
    later = INPUTS | {name: UNKNOWN}
    assert KIND.check(later) == later
    with pytest.raises(ResourceError, match="protocol is 'soap'"):
        KIND.check(later | {"protocol": "soap"})


def test_nothing_is_checked_while_a_setting_is_computed_later() -> None:
    later = INPUTS | {"shape": {"machineType": UNKNOWN, "nodes": 1}}
    assert KIND.check(later) == later


def test_other_recorded_requests_measure_again(in_the_programs_folder: Path) -> None:
    file = in_the_programs_folder / "requests.jsonl"
    recorded = INPUTS | {"payload": {"path": "requests.jsonl"}}
    with pytest.raises(ResourceError, match=r"^payload.path is 'requests.jsonl', but .* cannot be read: No such file"):
        KIND.check(recorded)
    file.write_text("{}")
    first = KIND.check(recorded)
    assert KIND.changed(first | {"runId": "1"}, KIND.check(recorded)) == []
    file.write_text("{} ")
    assert KIND.changed(first | {"runId": "1"}, KIND.check(recorded)) == ["payloadDigest"]


def test_where_results_go_and_what_they_are_called_measures_nothing_again() -> None:
    state = INPUTS | {"runId": "1"}
    assert KIND.changed(state, INPUTS | {"results": "elsewhere", "region": "europe-west1", "service": "ours"}) == []
    assert KIND.changed(state, INPUTS | {"rerun": "again", "url": "http://127.0.0.1:2"}) == ["rerun", "url"]


def test_a_service_that_does_not_answer_in_time_is_not_measured(in_the_programs_folder: Path) -> None:
    said: list[str] = []
    with pytest.raises(
        ResourceError, match=r"did not say within startTimeoutS \(0.1 s\) that it serves the model mine"
    ):
        KIND.create(INPUTS, Operation(print, said.append))
    assert said[0].startswith("waiting for the service: http://127.0.0.1:1/v2/models/mine did not answer")
    assert list(in_the_programs_folder.iterdir()) == []
