import json
from typing import Any

import pytest

from tools.pull_request.preview import Change, Preview, read_events

STACK_TYPE = "pulumi:pulumi:Stack"
COST = {"serving": {"monthly": 428.13}, "test": {"hourly": 0.14}, "pricesAsOf": "2026-11-24", "unpriced": []}
SUMMARY = {"summaryEvent": {"result": "succeeded"}}


def step(op: str, kind: str = "gcp:storage/bucket:Bucket", name: str = "models") -> dict[str, Any]:
    urn = f"urn:pulumi:s::shapebench::shapebench:gke:GkePlatform${kind}::{name}"
    return {"resourcePreEvent": {"metadata": {"op": op, "urn": urn, "type": kind}}}


def outputs(values: dict[str, Any], kind: str = STACK_TYPE) -> dict[str, Any]:
    return {"resOutputsEvent": {"metadata": {"op": "same", "urn": "u", "type": kind, "new": {"outputs": values}}}}


def said(severity: str, message: str) -> dict[str, Any]:
    return {"diagnosticEvent": {"severity": severity, "message": message}}


def read(*events: dict[str, Any], status: int = 0) -> Preview:
    return read_events("8cpu-16gb", [json.dumps(event) for event in events], status)


def test_changed_resources_are_listed_and_unchanged_ones_are_not():
    preview = read(step("same", name="a"), step("create", name="b"), step("delete", name="c"), SUMMARY)
    assert preview.changes == (
        Change(op="create", kind="Bucket", name="b"),
        Change(op="delete", kind="Bucket", name="c"),
    )
    assert not preview.failed


def test_the_stack_resource_itself_is_not_a_change():
    assert read(step("create", STACK_TYPE), SUMMARY).changes == ()


def test_a_replacement_of_several_steps_counts_once():
    preview = read(step("delete-replaced"), step("replace"), step("create-replacement"), SUMMARY)
    assert preview.changes == (Change(op="replace", kind="Bucket", name="models"),)


def test_the_cost_is_read_from_the_stacks_output():
    assert read(outputs({}), outputs({"cost": COST}), SUMMARY).cost == COST
    assert read(outputs({"cost": COST}, "gcp:storage/bucket:Bucket"), SUMMARY).cost is None


def test_errors_and_policy_violations_are_kept_and_other_messages_are_not():
    policy = {"enforcementLevel": "mandatory", "policyName": "exact-images", "message": "Pod x: no version\n"}
    preview = read(
        said("debug", "registering"), said("warning", "old"), said("error", "preview failed\n"),
        {"policyEvent": policy}, SUMMARY, status=1,
    )  # fmt: skip
    assert preview.problems == ("preview failed", "[mandatory] exact-images: Pod x: no version")
    assert preview.failed


def test_an_incomplete_preview_has_failed_even_with_status_0():
    preview = read(step("create"))
    assert preview.failed
    assert "The preview is incomplete; see the log" in preview.problems[0]


@pytest.mark.parametrize("line", ["", "a plugin prints this", "[1]", "null", '{"resourcePreEvent": null}'])
def test_lines_that_are_not_events_are_ignored(line: str):
    preview = read_events("s", [line, json.dumps(step("create")), json.dumps(SUMMARY)], 0)
    assert len(preview.changes) == 1
    assert not preview.failed


def test_a_preview_is_the_same_after_writing_and_reading_it():
    preview = read(step("create"), outputs({"cost": COST}), said("error", "x"), SUMMARY, status=1)
    assert Preview.model_validate_json(preview.model_dump_json()) == preview
