"""What the `kubernetes` stack registers, seen by a recording engine: every setting reaches a resource."""

import asyncio
from pathlib import Path

import pulumi
import pytest
from pulumi.runtime import mocks

from components.platform_args import PlatformArgs
from components.platforms.kubernetes import KubernetesPlatform
from stacks.explain import SettingsError
from stacks.files import project_defaults
from stacks.server.protocols import V2_REST
from stacks.settings import Settings, parse_settings

EXPORT = {"path": "/models/resnet", "digest": "d1", "usedWeights": "random"}
CLUSTER: dict[str, object] = {"servingImage": "tensorflow/serving:2.20.0", "modelUri": "/models/{digest}/resnet"}
BASE: dict[str, object] = {
    "platform": "kubernetes",
    "shape": {"machineType": "e2-custom-2-4096", "nodes": 2},
    "serving": {"protocol": "rest", "interOp": 2},
    "load": {"profile": "smoke"},
    "kubernetes": CLUSTER,
}
BATCHING = {"maxBatchSize": 8, "batchTimeoutMicros": 0, "maxEnqueuedBatches": 2, "numBatchThreads": 2}


class Recorder(mocks.Mocks):
    def __init__(self, export: dict[str, str]) -> None:
        self.export = export
        self.inputs: dict[str, dict] = {}
        self.providers: dict[str, str] = {}

    def new_resource(self, args):
        if not args.typ.endswith(":StoreCheck"):  # given the settings, it would hide one that nothing else has
            self.inputs[args.name] = args.inputs
        self.providers[args.name] = args.provider or ""
        made = self.export if args.typ.endswith("ModelExport") else {}
        if "metadata" in args.inputs:
            # As the engine does: what has no name is given one.
            made = {"metadata": {"name": args.name} | args.inputs["metadata"]}
        return args.name, args.inputs | made

    def call(self, _args):
        return {}


def recorded(settings: Settings, *, preview: bool = False) -> Recorder:
    recorder = Recorder({} if preview else EXPORT)

    async def run() -> None:
        mocks.set_mocks(recorder, project="shapebench", stack="kubernetes", preview=preview)
        KubernetesPlatform("cluster", PlatformArgs("kubernetes", settings, Path("/checkout")))
        await pulumi.runtime.stack.wait_for_rpcs()

    asyncio.run(run())
    return recorder


def settings_with(**changes: object) -> Settings:
    return parse_settings(project_defaults() | BASE | changes)


def cluster_with(**changes: object) -> Settings:
    return settings_with(kubernetes=CLUSTER | changes)


@pytest.fixture(scope="module")
def base() -> Recorder:
    return recorded(settings_with())


def pod_of(recorder: Recorder) -> dict:
    return recorder.inputs["cluster-serving-deployment"]["spec"]["template"]["spec"]


def test_the_servers_model_path_has_the_digest_of_the_manifest(base):
    (container,) = pod_of(base)["containers"]
    assert "--model_base_path=/models/d1/resnet" in container["args"]
    assert "--model_name=resnet" in container["args"]


def test_every_resource_uses_the_context_of_the_settings():
    recorder = recorded(cluster_with(context="kind-lab"))
    assert recorder.inputs["cluster-cluster"]["context"] == "kind-lab"
    inside = [
        provider
        for name, provider in recorder.providers.items()
        if (name.startswith("cluster-serving-") and name != "cluster-serving-start")
        or name == "cluster-load-test-scripts"
    ]
    assert inside
    assert all("pulumi:providers:kubernetes::cluster-cluster" in provider for provider in inside)
    assert recorder.inputs["cluster-serving-start"]["context"] == "kind-lab"


def test_a_preview_is_complete_before_the_model_is_exported(base):
    preview = recorded(settings_with(), preview=True)
    assert set(preview.inputs) == set(base.inputs)
    told = {flag for container in pod_of(preview)["containers"] for flag in container["args"]}
    known = {flag for container in pod_of(base)["containers"] for flag in container["args"]}
    assert {flag.split("=")[0] for flag in known - told} == {"--model_base_path"}


def test_the_load_test_uses_the_same_context():
    recorder = recorded(cluster_with(context="kind-lab"))
    test = recorder.inputs["cluster-load-test-run"]
    assert test["context"] == "kind-lab"
    assert (test["namespace"], test["replicas"]) == ("shapebench", 2)
    assert test["baseUrl"] == "http://tf-serving-rest.shapebench.svc:8501"
    assert test["serving"]["server"] == "tensorflow_model_server"
    assert test["serving"]["server_version"] == "2.20.0"
    assert test["serving"]["model"] == {"name": "resnet", "digest": "d1", "weights": "random", "instances": 1}
    assert (
        test["selector"].items()
        <= recorder.inputs["cluster-serving-deployment"]["spec"]["template"]["metadata"]["labels"].items()
    )
    assert test["results"] == "/checkout/results"


def test_so_do_the_rows_that_it_may_leave():
    recorder = recorded(cluster_with(context="kind-lab"))
    unfetched, test = recorder.inputs["cluster-unfetched-rows"], recorder.inputs["cluster-load-test-run"]
    assert unfetched == {name: test[name] for name in ("context", "namespace", "stack", "results", "workDir")}


def test_over_grpc_the_load_test_uses_the_headless_service_and_an_image_that_has_grpc():
    test = recorded(settings_with(serving={"protocol": "grpc", "interOp": 2})).inputs["cluster-load-test-run"]
    assert test["baseUrl"] == "grpc://tf-serving-grpc.shapebench.svc:8500"
    assert test["serving"]["protocol"] == "grpc"
    assert test["generatorImage"].startswith("locustio/locust-otel:")


def test_a_generator_image_of_the_settings_is_used_with_every_protocol():
    settings = settings_with(
        serving={"protocol": "grpc", "interOp": 2}, kubernetes=CLUSTER | {"generatorImage": "example.org/locust:1.2"}
    )
    assert recorded(settings).inputs["cluster-load-test-run"]["generatorImage"] == "example.org/locust:1.2"


def test_there_is_one_replica_for_each_node(base):
    assert base.inputs["cluster-serving-deployment"]["spec"]["replicas"] == 2


def test_the_namespace_has_the_stacks_label(base):
    labels = base.inputs["cluster-serving-namespace"]["metadata"]["labels"]
    assert labels["shapebench-stack"] == "kubernetes"


def test_a_pod_can_have_other_resources_than_those_of_a_gke_node():
    recorder = recorded(cluster_with(pod={"cpuMillis": 700, "memoryMib": 1500}))
    (container,) = pod_of(recorder)["containers"]
    assert container["resources"] == {"requests": {"cpu": "700m", "memory": "1500Mi"}, "limits": {"memory": "1500Mi"}}


def test_a_pod_that_cannot_hold_the_model_is_one_error():
    args = PlatformArgs("kubernetes", cluster_with(pod={"cpuMillis": 700, "memoryMib": 511}), Path("/checkout"))
    with pytest.raises(SettingsError, match=r"memoryMib is 511, but a server needs 512 MiB to load ResNet50; give 512"):
        KubernetesPlatform("cluster", args)


def test_requests_that_cannot_be_read_are_one_error_before_a_resource_is_declared(tmp_path):
    args = PlatformArgs("kubernetes", settings_with(payload={"path": "requests.jsonl"}), tmp_path)
    with pytest.raises(SettingsError, match=r"payload\.path is 'requests\.jsonl', but .* cannot be read"):
        KubernetesPlatform("cluster", args)  # without an engine, a resource would be another error


def test_a_cpu_limit_of_the_serving_variant_is_on_the_pod_and_in_what_the_run_records():
    recorder = recorded(settings_with(serving={"protocol": "rest", "interOp": 2, "cpuLimit": "1500m"}))
    (container,) = pod_of(recorder)["containers"]
    assert container["resources"]["limits"]["cpu"] == "1500m"
    assert recorder.inputs["cluster-load-test-run"]["serving"]["cpu_limit"] == 1.5


def test_a_server_on_a_bucket_has_an_account_and_egress_without_workload_identity_too():
    recorder = recorded(cluster_with(modelUri="gs://bucket/{digest}/resnet"))
    assert pod_of(recorder)["serviceAccountName"] == "tf-serving"
    assert recorder.inputs["cluster-serving-server"]["spec"]["egress"]


def test_the_digest_replaces_its_placeholder_in_the_path():
    (container,) = pod_of(recorded(cluster_with(modelUri="gs://bucket/{digest}/resnet")))["containers"]
    assert "--model_base_path=gs://bucket/d1/resnet" in container["args"]


@pytest.mark.parametrize(
    "settings",
    [
        settings_with(shape={"machineType": "e2-custom-2-4096", "nodes": 3}),
        settings_with(shape={"machineType": "e2-custom-4-8192", "nodes": 2}),
        settings_with(serving={"protocol": "grpc", "interOp": 2}),
        settings_with(serving={"protocol": "rest", "interOp": 4}),
        settings_with(serving={"protocol": "rest", "interOp": 2, "intraOp": 1}),
        settings_with(serving={"protocol": "rest", "interOp": 2, "batching": BATCHING}),
        settings_with(model={"weights": "random"}),
        cluster_with(context="kind-lab"),
        cluster_with(namespace="other"),
        cluster_with(servingImage="tensorflow/serving:2.19.1"),
        cluster_with(modelUri="/elsewhere/{digest}"),
        cluster_with(modelUri="gs://bucket/{digest}/resnet"),
        cluster_with(pool={"shapebench/pool": "serving"}),
        cluster_with(pod={"cpuMillis": 700, "memoryMib": 1500}),
        cluster_with(oneANode=False),
        cluster_with(generatorImage="locustio/locust:2.46.5"),
        cluster_with(generatorPool={"shapebench/pool": "load"}),
        settings_with(load={"profile": "laptop"}),
        settings_with(load={"profile": "smoke", "repeats": 3}),
        settings_with(load={"profile": "smoke", "freshDeployment": True}),
        settings_with(load={"profile": "smoke", "processes": 2}),
        settings_with(results="elsewhere"),
        settings_with(region="europe-west4"),
        settings_with(rerun="again"),
        cluster_with(seedFaithful=True),
    ],
)
def test_every_setting_reaches_a_resource(base, settings):
    assert recorded(settings).inputs != base.inputs


@pytest.mark.parametrize(
    ("settings", "rest_threads"),
    [
        (settings_with(), 8),
        (settings_with(serving={"protocol": "rest", "interOp": 2, "batching": BATCHING | {"maxBatchSize": 128}}), 256),
        (settings_with(load={"profile": "seed", "users": 900, "durationS": 1000}), 8),
        (cluster_with(seedFaithful=True), None),
    ],
)
def test_the_manifest_says_what_threads_the_servers_are_started_with(settings, rest_threads):
    recorder = recorded(settings)
    serving = recorder.inputs["cluster-load-test-run"]["serving"]
    flags = dict(flag.split("=", 1) for flag in pod_of(recorder)["containers"][0]["args"])
    assert flags.get("--rest_api_num_threads") == (None if rest_threads is None else str(rest_threads))
    assert serving.get("rest_threads") == rest_threads
    assert str(int(serving["grpc_threads"])) == flags["--grpc_max_threads"]
    assert serving["seed_faithful"] is settings.kubernetes.seed_faithful


def test_the_service_account_gets_its_annotations():
    annotations = {"iam.gke.io/gcp-service-account": "reader@project.iam.gserviceaccount.com"}
    recorder = recorded(cluster_with(modelUri="gs://b/{digest}/r", serviceAccountAnnotations=annotations))
    assert recorder.inputs["cluster-serving-account"]["metadata"]["annotations"] == annotations


ANY_IMAGE = {
    "image": "seldonio/mlserver:1.7.1",
    "args": ["mlserver", "start", "{model}"],
    "protocol": "v2",
    "ports": {"rest": 8080},
}


def test_any_image_is_deployed_with_its_model_and_recorded_with_its_arguments():
    made = recorded(settings_with(server=ANY_IMAGE, serving={"protocol": "v2-rest", "interOp": 2}))
    (container,) = pod_of(made)["containers"]
    assert (container["image"], container["args"]) == (ANY_IMAGE["image"], ["mlserver", "start", "/models/d1/resnet"])
    test = made.inputs["cluster-load-test-run"]
    assert test["baseUrl"] == "http://tf-serving-rest.shapebench.svc:8501"
    assert test["generatorImage"] == V2_REST.generator_image
    serving = test["serving"]
    assert (serving["server"], serving["server_version"]) == ("seldonio/mlserver", "1.7.1")
    assert (serving["protocol"], serving["server_args"]) == ("v2-rest", ["mlserver", "start", "{model}"])
    # They are the image's own.
    assert (serving.get("rest_threads"), serving.get("grpc_threads")) == (None, None)
