"""A GKE stack as a whole: alike but for the shape, labelled, closed, and with every setting in some resource."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pulumi.runtime import rpc

from components.platforms.gke import GkePlatform, GkePlatformArgs
from stacks import files
from stacks.explain import SettingsError
from stacks.files import load_settings
from stacks.machines.gke import GkeSettings
from stacks.names import COMMIT, EXPIRES, STACK, from_description, stack_labels
from stacks.server.protocols import GRPC, REST
from stacks.settings import Settings
from tests.unit.components.gke.gke_program import SHAPES, record_gke, record_stack, settings_with
from tests.unit.components.recorder import LEASE, Recording, Registration, record

# What takes labels, and where.
LABELLED = {
    "gcp:storage/bucket:Bucket": ("labels",),
    "gcp:container/cluster:Cluster": ("resourceLabels",),
    "gcp:container/nodePool:NodePool": ("nodeConfig", "resourceLabels"),
}
# What takes none, but a description, and what takes neither.
DESCRIBED = {
    "gcp:compute/network:Network",
    "gcp:compute/subnetwork:Subnetwork",
    "gcp:compute/router:Router",
    "gcp:serviceaccount/account:Account",
}
NEITHER = {
    "gcp:compute/routerNat:RouterNat",
    "gcp:projects/iAMMember:IAMMember",
    "gcp:storage/bucketIAMMember:BucketIAMMember",
    "gcp:storage/bucketObject:BucketObject",
}
# What says something of the shape.
OF_THE_SHAPE = (
    "/gke-preflight",
    "/gke-cluster-serving",
    "/gke-serving-deployment",
    "/gke-serving-start",
    "/gke-load-test-run",
)
CHANGED_GKE: dict[str, Any] = {
    "freshNodes": True,
    "servingImage": "tensorflow/serving:2.19.1",
    "generatorImage": "locustio/locust:2.46.5",
    "loadMachineType": "e2-standard-8",
    "protect": True,
    "expiresAfterH": 48,
    "binaryAuthorization": True,
    "costAllocation": False,
    "managedPrometheus": True,
    "preflight": False,
    "seedFaithful": True,
}
CHANGED: list[dict[str, Any]] = [
    {"shape": {"machineType": "e2-highmem-8", "nodes": 2}},
    {"shape": {"machineType": "e2-custom-8-16384", "nodes": 3}},
    {"serving": {"protocol": "rest", "interOp": 4}},
    {"serving": {"protocol": "rest", "interOp": 8, "intraOp": 4}},
    {"model": {"weights": "random"}},
    {"region": "europe-west4"},
    {"serving": {"protocol": "grpc", "interOp": 8}},
    {"load": {"profile": "laptop"}},
    {"load": {"profile": "seed", "repeats": 3}},
    {"load": {"profile": "seed", "freshDeployment": True}},
    {"load": {"profile": "seed", "processes": 2}},
    {"load": {"profile": "seed", "pods": 2}},
    {"results": "elsewhere"},
    {"rerun": "again"},
]
ANY_GKE = st.fixed_dictionaries(
    {
        "loadMachineType": st.sampled_from(["e2-standard-2", "e2-standard-4", "e2-custom-4-8192"]),
        "protect": st.booleans(),
        "expiresAfterH": st.integers(1, 336),
        "binaryAuthorization": st.booleans(),
        "costAllocation": st.booleans(),
        "managedPrometheus": st.booleans(),
        "preflight": st.booleans(),
        "seedFaithful": st.booleans(),
    }
)


@pytest.fixture(scope="module")
def base():
    return record_gke(settings_with())


def platform_cost(stack: str, parsed: Settings) -> dict[str, Any]:
    built: list[GkePlatform] = []
    args = GkePlatformArgs(stack, parsed, Path("/checkout"), "us-central1-a")
    record(lambda: built.append(GkePlatform("gke", args)), stack=stack, preview=True)
    return built[0].cost


@pytest.mark.parametrize(
    ("stack", "nodes_only_24h"),
    [("2cpu-4gb", 11.15), ("4cpu-8gb", 11.15), ("8cpu-16gb", 11.15), ("8cpu-64gb", 17.36)],
)
def test_each_stack_has_the_nodes_of_its_shape(stack, nodes_only_24h):
    recording = record_stack(stack)
    machine_type, vcpus, nodes = SHAPES[stack]
    pool = recording.one("nodePool:NodePool", "serving").inputs
    spec = recording.one("apps/v1:Deployment").inputs["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (pool["nodeConfig"]["machineType"], pool["nodeCount"]) == (machine_type, nodes)
    assert spec["replicas"] == nodes
    assert f"--tensorflow_intra_op_parallelism={vcpus}" in container["args"]
    assert platform_cost(stack, load_settings(stack))["serving"]["nodesOnly24h"] == nodes_only_24h


def test_a_new_shape_takes_one_stack_file(tmp_path, monkeypatch):
    text = (files.STACKS_DIR / "Pulumi.8cpu-16gb.yaml").read_text()
    (tmp_path / "Pulumi.4cpu-16gb.yaml").write_text(
        text.replace("e2-custom-8-16384", "e2-standard-4").replace("nodes: 2", "nodes: 5")
    )
    monkeypatch.setattr(files, "STACKS_DIR", tmp_path)
    recording = record_gke(load_settings("4cpu-16gb"), "4cpu-16gb")
    pool = recording.one("nodePool:NodePool", "serving").inputs
    assert (pool["nodeConfig"]["machineType"], pool["nodeCount"]) == ("e2-standard-4", 5)
    assert recording.one("apps/v1:Deployment").inputs["spec"]["replicas"] == 5
    assert platform_cost("4cpu-16gb", load_settings("4cpu-16gb"))["unpriced"] == []


def test_stacks_differ_only_in_the_shape_and_what_follows_from_it():
    def rest(stack: str) -> dict[str, str]:
        return {
            name: inputs.replace(stack, "STACK")
            for name, (inputs, _) in record_stack(stack).described.items()
            if not name.endswith(OF_THE_SHAPE)
        }

    assert all(rest(stack) == rest("8cpu-16gb") for stack in SHAPES)


@settings(max_examples=8)
@given(gke=ANY_GKE, stack=st.sampled_from(list(SHAPES)))
def test_with_any_settings_a_stack_is_labelled_private_and_has_16_vcpus(gke, stack):
    machine_type, vcpus, nodes = SHAPES[stack]
    recording = record_gke(settings_with(gke, shape={"machineType": machine_type, "nodes": nodes}), stack)
    serving = recording.one("nodePool:NodePool", "serving").inputs
    assert serving["nodeCount"] * vcpus == 16
    pools_are_disjoint(recording)
    everything_is_labelled(recording, stack)
    nothing_is_public(recording)


def pools_are_disjoint(recording: Recording) -> None:
    labels = [each.inputs["nodeConfig"]["labels"]["shapebench/pool"] for each in recording.of("nodePool:NodePool")]
    assert sorted(labels) == ["load", "serving"]
    pod = recording.one("apps/v1:Deployment").inputs["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"shapebench/pool": "serving"}


def everything_is_labelled(recording: Recording, stack: str) -> None:
    expected = stack_labels(stack, LEASE["commit"], LEASE["expiresAt"])
    for resource in recording.resources:
        if resource.typ in LABELLED:
            carried: Any = resource.inputs
            for key in LABELLED[resource.typ]:
                carried = carried[key]
            assert carried == expected, resource.name
        elif resource.typ in DESCRIBED:
            assert from_description(resource.inputs["description"]) == expected, resource.name
        elif resource.typ.startswith("gcp:"):
            assert resource.typ in NEITHER, f"{resource.typ}: does it take labels?"


def nothing_is_public(recording: Recording) -> None:
    for resource in recording.resources:
        said = json.dumps(resource.inputs, default=vars)
        assert "LoadBalancer" not in said, resource.name
        assert "NodePort" not in said, resource.name
        if resource.typ.startswith("gcp:"):
            assert "0.0.0.0/0" not in said, resource.name
            assert "allUsers" not in said, resource.name
            assert "allAuthenticatedUsers" not in said, resource.name
    assert not [
        resource for resource in recording.resources if "ddress:" in resource.typ or "orwarding" in resource.typ
    ]
    cluster = recording.one("cluster:Cluster").inputs
    assert cluster["privateClusterConfig"]["enablePrivateNodes"] is True
    assert all(each.inputs["networkConfig"]["enablePrivateNodes"] is True for each in recording.of("nodePool:NodePool"))


def test_the_same_settings_register_the_same(base):
    assert record_gke(settings_with()).described == base.described


def test_every_gke_setting_is_tried_below():
    assert set(CHANGED_GKE) == {field.alias for field in GkeSettings.model_fields.values()}


@pytest.mark.parametrize("key", CHANGED_GKE)
def test_every_gke_setting_reaches_a_resource(base, key):
    changed = record_gke(settings_with({key: CHANGED_GKE[key]}))
    assert changed.described != base.described


@pytest.mark.parametrize("changes", CHANGED, ids=str)
def test_every_other_setting_reaches_a_resource(base, changes):
    assert record_gke(settings_with(**changes)).described != base.described


def test_google_cloud_resources_are_created_after_the_preflight(base):
    after = {base.one("gke:Preflight").urn}
    for resource in base.resources:
        if resource.depends_on & after:
            after.add(resource.urn)
    assert all(resource.urn in after for resource in base.resources if resource.typ.startswith("gcp:"))
    assert base.one("gke:Preflight").depends_on == frozenset()


def test_a_preflight_checks_for_what_the_stack_registers(base):
    asked = base.one("gke:Preflight").inputs
    needs = {each["metric"]: each["amount"] for each in asked["needs"]}
    assert needs["INSTANCES"] == sum(pool.inputs["nodeCount"] for pool in base.of("nodePool:NodePool"))
    assert needs["NETWORKS"] == len(base.of("network:Network"))
    assert needs["SUBNETWORKS"] == len(base.of("subnetwork:Subnetwork"))
    assert needs["ROUTERS"] == len(base.of("router:Router"))
    assert sorted(asked["accounts"]) == sorted(each.inputs["accountId"] for each in base.of("account:Account"))


def test_the_google_keys_are_secret():
    args = GkePlatformArgs(
        "8cpu-16gb", settings_with(), Path("/checkout"), "us-central1-a", {"gcp:accessToken": "very-secret"}
    )
    asked = record(lambda: GkePlatform("gke", args)).one("gke:Preflight").inputs
    assert rpc.is_rpc_secret(asked.pop("google"))
    assert "very-secret" not in json.dumps(asked)


def test_protect_protects_network_cluster_and_bucket_and_nothing_else():
    recording = record_gke(settings_with({"protect": True}))
    kept = {resource.typ for resource in recording.resources if resource.protect}
    assert {"gcp:compute/network:Network", "gcp:container/cluster:Cluster", "gcp:storage/bucket:Bucket"} <= kept
    assert not any(typ.startswith("kubernetes:") for typ in kept)
    assert not any(resource.protect for resource in record_stack("8cpu-16gb").resources)


def test_the_program_calls_no_google_functions():
    assert record_gke(settings_with(), preview=True).calls == []
    assert record_gke(settings_with()).calls == []


def test_a_preview_is_complete_before_anything_exists(base):
    def named(recording: Recording) -> set[str]:
        return {f"{resource.typ}/{resource.name}" for resource in recording.resources}

    assert named(record_gke(settings_with(), preview=True)) == named(base)


def test_no_resource_names_its_project_or_provider_itself(base):
    for resource in base.resources:
        if resource.typ.startswith("gcp:"):
            assert resource.provider == ""
            assert "project" not in resource.inputs or resource.typ == "gcp:projects/iAMMember:IAMMember"


def test_labels_name_stack_commit_and_expiry(base):
    assert base.one("bucket:Bucket").inputs["labels"] == {
        STACK: "8cpu-16gb",
        COMMIT: "876bcdc",
        EXPIRES: "2026-11-26t02-00-00z",
    }


def test_the_load_test_runs_on_the_load_pool_once_the_server_is_ready(base):
    test, deployment = base.one("kubernetes:LoadTest"), base.one("apps/v1:Deployment")
    assert deployment.urn in test.depends_on
    assert test.inputs["baseUrl"] == "http://tf-serving-rest.shapebench.svc:8501"
    assert (test.inputs["namespace"], test.inputs["replicas"]) == ("shapebench", deployment.inputs["spec"]["replicas"])
    assert test.inputs["platform"] == "gke"
    assert test.inputs["nodeSelector"] == base.one("nodePool:NodePool", "load").inputs["nodeConfig"]["labels"]
    pods = deployment.inputs["spec"]["template"]["metadata"]["labels"]
    assert test.inputs["selector"].items() <= pods.items()
    assert test.inputs["generatorImage"] == REST.generator_image
    assert test.inputs["serving"]["server_version"] == "2.20.0"


@pytest.mark.parametrize("typ", ["kubernetes:LoadTest", "kubernetes:ServerStart"])
def test_what_reaches_the_cluster_uses_the_stacks_kubeconfig_which_is_secret(base, typ):
    used = base.one(typ).inputs["kubeconfig"]
    assert rpc.is_rpc_secret(used)
    assert used == base.one("providers:kubernetes").inputs["kubeconfig"]


def test_the_init_container_needs_no_image_but_the_generators():
    def waits_with(**changes: Any) -> str:
        pod = record_gke(settings_with(**changes)).one("apps/v1:Deployment").inputs["spec"]["template"]["spec"]
        return pod["initContainers"][0]["image"]

    assert waits_with() == REST.generator_image
    # Another protocol is no reason to deploy the server anew.
    assert waits_with(serving={"protocol": "grpc", "interOp": 8}) == REST.generator_image
    assert waits_with(gke={"generatorImage": "mirror.example/locust:2.46.6"}) == "mirror.example/locust:2.46.6"


def test_over_grpc_the_load_test_reaches_every_pod_with_an_image_that_has_grpc():
    test = record_gke(settings_with(serving={"protocol": "grpc", "interOp": 8})).one("kubernetes:LoadTest").inputs
    assert test["baseUrl"] == "grpc://tf-serving-grpc.shapebench.svc:8500"
    assert test["generatorImage"] == GRPC.generator_image


def test_resources_in_the_cluster_are_deleted_with_it(base):
    by_urn = {resource.urn: resource for resource in base.resources}

    def goes_with(each: Registration) -> str:
        # The engine hands a component's option down to its children.
        return each.deleted_with or (goes_with(by_urn[each.parent]) if each.parent in by_urn else "")

    cluster = base.one("cluster:Cluster").urn
    inside = [resource for resource in base.resources if resource.typ.startswith("kubernetes:")]
    assert {each.typ for each in inside} >= {"kubernetes:core/v1:Namespace", "kubernetes:core/v1:ConfigMap"}
    assert {goes_with(each) for each in inside} == {cluster}
    assert not any(goes_with(resource) for resource in base.resources if resource.typ.startswith("gcp:"))


def test_rows_that_were_left_in_the_cluster_are_fetched_before_it_and_its_servers_are_deleted(base):
    unfetched, test = base.one("kubernetes:UnfetchedRows"), base.one("kubernetes:LoadTest")
    # The engine deletes what depends on a resource before that resource, and skips what is deleted with another one.
    assert unfetched.urn in test.depends_on
    assert {base.one("core/v1:Namespace").urn, base.one("apps/v1:Deployment").urn} <= unfetched.depends_on
    platform = next(resource for resource in base.resources if resource.urn == unfetched.parent)
    assert (unfetched.deleted_with, platform.deleted_with) == ("", "")
    for name in ("namespace", "stack", "results", "workDir", "kubeconfig"):
        assert unfetched.inputs[name] == test.inputs[name]


def test_the_cost_is_known_in_a_preview():
    cost = platform_cost("8cpu-16gb", load_settings("8cpu-16gb"))
    assert json.loads(json.dumps(cost)) == cost
    assert cost["serving"]["monthly"] > cost["serving"]["monthlyWithFreeTier"] > 0
    assert cost["test"]["monthly"] > 0
    assert cost["unpriced"] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"payload": {"path": "requests.jsonl"}}, r"payload\.path is 'requests\.jsonl', but .* cannot be read"),
        ({"shape": {"machineType": "e2-custom-2-1024", "nodes": 2}}, "too little to load ResNet50"),
    ],
)
def test_what_cannot_be_measured_is_one_error_before_a_resource_is_declared(change: dict[str, Any], said: str) -> None:
    args = GkePlatformArgs("8cpu-16gb", settings_with(**change), Path("/checkout"), "us-central1-a")
    with pytest.raises(SettingsError, match=said):
        GkePlatform("gke", args)  # without an engine, a resource would be another error
