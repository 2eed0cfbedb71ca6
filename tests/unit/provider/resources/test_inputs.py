"""The properties at the plugin's boundary: the program's arguments, previews, and states of earlier versions."""

from dataclasses import fields
from pathlib import Path, PurePath
from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from components.gke.lease import LeaseArgs
from components.gke.preflight import PreflightArgs
from components.load_test.cluster import ClusterLoadTestRunArgs
from components.load_test.local import LoadTestArgs
from components.load_test.store_check import StoreCheckArgs
from components.load_test.unfetched_rows import UnfetchedRowsArgs
from components.serving.local_serving import LocalServingArgs
from components.serving.model_export import ModelExportArgs
from components.serving.server_cleanup import ServerCleanupArgs
from provider.resource import UNKNOWN, Props, Resource, ResourceError
from provider.resources.cluster_load_test import ClusterLoadTest
from provider.resources.lease import Lease
from provider.resources.load_test import LoadTestState
from provider.resources.local_load_test import LocalLoadTest
from provider.resources.local_serving import LocalServing
from provider.resources.model_export import ModelExport
from provider.resources.preflight import Preflight
from provider.resources.server_cleanup import ServerCleanup
from provider.resources.store_check import StoreCheck
from provider.resources.unfetched_rows import UnfetchedRows
from stacks.load.load_profiles import PROFILES
from stacks.server.serving_variant import ServingVariant
from tests.support.load_test_inputs import local_load_test_inputs

KINDS = [
    (ModelExport, ModelExportArgs),
    (LocalServing, LocalServingArgs),
    (LocalLoadTest, LoadTestArgs),
    (ClusterLoadTest, ClusterLoadTestRunArgs),
    (Lease, LeaseArgs),
    (Preflight, PreflightArgs),
    (StoreCheck, StoreCheckArgs),
    (ServerCleanup, ServerCleanupArgs),
    (UnfetchedRows, UnfetchedRowsArgs),
]
# Not of the program: `check` sets them.
RESOLVED = {"server_version"}


@pytest.mark.parametrize(("kind", "args"), KINDS)
def test_the_plugin_reads_exactly_what_the_program_sends(kind: type[Resource[Any, Any]], args: Any) -> None:
    sent = {field.name: "None" in str(field.type) for field in fields(args)}
    if sent.pop("variant", None) is not None:  # each field of it is a property
        sent |= {name: not field.is_required() for name, field in ServingVariant.model_fields.items()}
    read = {name: field for name, field in kind.inputs.model_fields.items() if name not in RESOLVED}
    assert read.keys() == sent.keys()
    # The engine leaves out what is None.
    assert {name for name, field in read.items() if not field.is_required()} == {name for name in sent if sent[name]}
    assert {field.alias for field in read.values()} == {to_camel(name) for name in sent}


@pytest.mark.parametrize(("kind", "_"), KINDS)
def test_every_trigger_is_an_input(kind: type[Resource[Any, Any]], _: Any) -> None:
    assert {*kind.triggers, *kind.secrets} <= {field.alias for field in kind.inputs.model_fields.values()}


def test_wrong_inputs_are_one_error_that_names_each_and_quotes_none(load_test_inputs: Props) -> None:
    shape = load_test_inputs["shape"] | {"nodes": "two"}
    wrong = load_test_inputs | {"repeats": "s3cr3t", "shape": shape, "colour": "red", "restUrl": "http://x"}
    with pytest.raises(ResourceError) as failure:
        LocalLoadTest().check(wrong)
    message = str(failure.value)
    assert message.startswith("LocalLoadTestInputs does not accept ")
    for name in ("repeats: ", "shape.nodes: ", "colour: "):
        assert name in message
    assert message.endswith("so nothing was done; run both from the same checkout")
    assert "s3cr3t" not in message


def test_the_plan_knows_the_threads_that_the_servers_are_started_with(tmp_path: Path) -> None:
    inputs = local_load_test_inputs(tmp_path, "http://127.0.0.1:8501")
    inputs["serving"] |= {"grpc_threads": 4096}
    assert LocalLoadTest.inputs.parse(inputs).plan(PurePath("/run"), {}).grpc_threads == 4096


def test_the_plan_knows_how_many_replicas_the_stack_has(tmp_path: Path) -> None:
    inputs = local_load_test_inputs(tmp_path, "http://127.0.0.1:8501")
    inputs["shape"] |= {"nodes": 8}
    assert LocalLoadTest.inputs.parse(inputs).plan(PurePath("/run"), {}).replicas == 8


def test_repeats_play_other_arrivals_than_the_first_run(tmp_path: Path) -> None:
    profile = PROFILES["open"].model_dump(mode="json")
    inputs = LocalLoadTest.inputs.parse(
        local_load_test_inputs(tmp_path, "http://127.0.0.1:8501") | {"profile": profile}
    )
    first, same, second = (inputs.plan(PurePath("/run"), {}, repeat).load for repeat in (1, 1, 2))
    assert first == same
    assert first != second


def test_a_preview_accepts_inputs_that_are_not_known_yet(tmp_path: Path) -> None:
    inputs = local_load_test_inputs(tmp_path, "http://127.0.0.1:8501")
    serving = inputs["serving"] | {"model": {"name": UNKNOWN, "digest": UNKNOWN, "weights": UNKNOWN}}
    unknown = inputs | {"restUrl": UNKNOWN, "baseUrl": UNKNOWN, "serverLog": UNKNOWN, "serving": serving}
    assert LocalLoadTest().check(unknown) == unknown
    assert LocalLoadTest().preview(unknown) == unknown


def test_a_preview_shows_no_secret(inputs: Props) -> None:
    assert "kubeconfig" not in ClusterLoadTest().preview(inputs | {"kubeconfig": "secret"})


def test_a_state_may_hold_what_an_earlier_version_stored(load_test_inputs: Props) -> None:
    state = load_test_inputs | {"runId": "id-1", "headline": {}, "removedLater": 1}
    assert LoadTestState.parse(state).run_id == "id-1"
