"""What ClusterLoadTest registers, seen by a recording engine."""

import base64
from typing import Any

import pulumi
import pytest
from pulumi_kubernetes import Provider

from components.load_test.cluster import ClusterLoadTest, ClusterLoadTestArgs
from loadtest.generator.payload import Payload
from loadtest.run import pod
from loadtest.run.payload import payload_of
from stacks.explain import SettingsError
from stacks.server.models import RESNET50, TensorSpec
from tests.unit.components.recorder import Recording, record

MIB = 2**20
PAYLOAD = payload_of(RESNET50)
RUN = "shapebench:kubernetes:LoadTest"


def args(**changes: Any) -> ClusterLoadTestArgs:
    fields: dict[str, Any] = {
        "stack": "8cpu-16gb",
        "platform": "gke",
        "kubeconfig": "apiVersion: v1",
        "namespace": "shapebench",
        "base_url": "http://tf-serving-rest.shapebench.svc:8501",
        "selector": {"app.kubernetes.io/name": "tf-serving"},
        "replicas": 2,
        "fingerprint": "f",
        "serving": {"server": "tensorflow_model_server"},
        "model": RESNET50.model_dump(),
        "payload_digest": "p" * 64,
        "check_answers": "values",
        "tolerance": 1e-3,
        "profile": {"users": 4},
        "shape": {"name": "8cpu-16gb"},
        "region": "us-central1",
        "repeats": 1,
        "fresh_deployment": False,
        "processes": 1,
        "pods": 1,
        "rerun": "",
        "sweep": None,
        "results": "/results",
        "work_dir": "/runs",
        "generator_image": "locustio/locust:2.46.6",
        "node_selector": {"shapebench/pool": "load"},
    }
    return ClusterLoadTestArgs(**fields | changes)


def generated(*shape: int) -> Payload:
    spec = TensorSpec(name="image", dtype="float32", shape=(None, *shape))
    return payload_of(RESNET50.model_copy(update={"payload": "generated", "inputs": (spec,)}))


def recorded(*, preview: bool = False, payload: Payload = PAYLOAD, **changes: Any) -> Recording:
    def program() -> None:
        provider = Provider("cluster")
        parts = pod.payload_parts(payload.to_bytes())
        ClusterLoadTest("load", args(**changes), parts, pulumi.ResourceOptions(provider=provider))

    return record(program, preview=preview)


def test_the_pod_gets_exactly_the_scripts_of_the_generator() -> None:
    assert recorded().one("ConfigMap", "-scripts").inputs["data"] == pod.scripts()


def test_the_pod_gets_the_payload() -> None:
    (payload,) = recorded().one("ConfigMap", "-payload-000").inputs["binaryData"].values()
    assert Payload.from_bytes(base64.b64decode(payload)) == PAYLOAD


def test_a_payload_that_one_config_map_does_not_hold_has_several() -> None:
    large = generated(512, 700)
    made = recorded(payload=large)
    parts = sorted((each for each in made.of("ConfigMap") if "binaryData" in each.inputs), key=lambda each: each.name)
    assert [part.name for part in parts] == [f"load-payload-{number:03}" for number in range(len(parts))]
    assert len(parts) > 1
    content = b"".join(base64.b64decode(value) for part in parts for value in part.inputs["binaryData"].values())
    assert Payload.from_bytes(content) == large
    assert len(made.one(RUN).inputs["payload"]) == len(parts)


def test_scripts_and_payload_fit_into_config_maps() -> None:
    for config_map in recorded().of("ConfigMap"):
        assert len(str(config_map.inputs)) < MIB / 2


def test_a_payload_that_no_config_map_holds_is_one_error() -> None:
    large = generated(512, 14_000)
    with pytest.raises(SettingsError, match=r"the requests take 2\d MiB, compressed, but at most 24 go to"):
        ClusterLoadTest("load", args(), pod.payload_parts(large.to_bytes()))


def test_config_maps_are_immutable_and_a_new_version_gets_a_new_name() -> None:
    for config_map in recorded().of("ConfigMap"):
        assert config_map.inputs["immutable"] is True
        assert "name" not in config_map.inputs["metadata"]


def test_the_generators_account_has_no_token() -> None:
    assert recorded().one("ServiceAccount").inputs["automountServiceAccountToken"] is False


def test_the_kubeconfig_is_secret() -> None:
    heard = recorded().one(RUN).inputs["kubeconfig"]
    assert heard == {
        pulumi.runtime.rpc._special_sig_key: pulumi.runtime.rpc._special_secret_sig,
        "value": "apiVersion: v1",
    }


def test_the_users_own_kubeconfig_is_not_kept() -> None:
    inputs = recorded(kubeconfig=None, context="mine").one(RUN).inputs
    assert inputs.get("kubeconfig") is None
    assert inputs["context"] == "mine"


def test_the_run_gets_every_input_that_the_plugin_reads() -> None:
    inputs = recorded().one(RUN).inputs
    assert inputs["generatorImage"] == "locustio/locust:2.46.6"
    assert inputs["nodeSelector"] == {"shapebench/pool": "load"}
    assert inputs["selector"] == {"app.kubernetes.io/name": "tf-serving"}
    assert (inputs["replicas"], inputs["startTimeoutS"], inputs["workDir"]) == (2, 600, "/runs")


def test_a_preview_is_complete_before_there_is_a_cluster() -> None:
    declared = {resource.name for resource in recorded(preview=True).resources}
    assert {"load-scripts", "load-payload-000", "load-account", "load-run"} <= declared
