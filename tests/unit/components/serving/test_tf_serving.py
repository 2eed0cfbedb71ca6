"""What TfServing registers, seen by a recording engine."""

import asyncio
import dataclasses
from pathlib import Path
from typing import NamedTuple

import pulumi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pulumi.runtime import mocks

import serving.model_access
from components.serving.tf_serving import TfServing, TfServingArgs, config_map_name
from components.serving.variant import BucketAccess, ClusterAccess
from serving.config_files import read_batching_file, read_monitoring_file
from serving.flags import parse_flags
from stacks.allocatable import PodResources, pod_resources
from stacks.explain import SettingsError
from stacks.files import load_settings
from stacks.machines.autoscaler import AutoscalerSettings
from stacks.machines.shapes import NodeShape
from stacks.names import GENERATOR_LABELS, SERVER_LABELS, SERVICE_ACCOUNT
from stacks.server.image_server import ImageServerSettings, ServerPorts
from stacks.server.models import RESNET50
from stacks.server.request_threads import RequestThreads
from stacks.server.serving_variant import ServingVariant, fingerprint

GKE_STACKS = {"2cpu-4gb": (8, 2), "4cpu-8gb": (4, 4), "8cpu-16gb": (2, 8), "8cpu-64gb": (2, 8)}
BATCHING = {"max_batch_size": 128, "batch_timeout_micros": 0, "max_enqueued_batches": 2, "num_batch_threads": 2}
SHAPE = NodeShape(name="small", machine_type="e2-custom-2-4096", vcpus=2, memory_gb=4, nodes=2)
BASE = TfServingArgs(
    namespace="shapebench",
    image="tensorflow/serving:2.20.0",
    shape=SHAPE,
    replicas=2,
    model_uri="/models/d1/resnet",
    model=RESNET50,
    model_digest="d1",
    variant=ServingVariant(protocol="rest", intra_op=2, inter_op=4),
    threads=RequestThreads(grpc=1024, rest=8),
    access=ClusterAccess(context="lab"),
)
ANY_IMAGE = ImageServerSettings.model_validate(
    {
        "image": "seldonio/mlserver:1.7.1",
        "args": ["mlserver", "start", "{model}", "--threads={intraOp}"],
        "protocol": "v2",
        "ports": {"rest": 8080, "grpc": 8081},
    }
)
BUCKET = BucketAccess("locustio/locust:2.46.6", {"owner": "tests"})


class Registered(NamedTuple):
    resources: dict[str, dict]
    """Inputs by `kind/metadata.name`."""
    outputs: dict[str, object]
    requests: dict[str, object]
    """What was sent to the engine, by name."""

    def of(self, kind: str) -> list[dict]:
        return [inputs for name, inputs in self.resources.items() if name.startswith(f"{kind}/")]

    @property
    def deployment(self) -> dict:
        (deployment,) = self.of("Deployment")
        return deployment["spec"]

    @property
    def pod(self) -> dict:
        return self.deployment["template"]["spec"]

    @property
    def container(self) -> dict:
        (container,) = self.pod["containers"]
        return container

    @property
    def start(self) -> dict:
        (start,) = self.of("ServerStart")
        return start

    @property
    def flags(self) -> dict[str, str]:
        return dict(flag.removeprefix("--").split("=", 1) for flag in self.container["args"])

    def policy(self, name: str) -> dict:
        return self.resources[f"NetworkPolicy/{name}"]["spec"]


class Recorder(mocks.Mocks):
    def __init__(self) -> None:
        self.resources: dict[str, dict] = {}

    def new_resource(self, args):
        if args.typ.endswith(":ServerStart"):
            self.resources["ServerStart/start"] = args.inputs
        elif args.typ.startswith("kubernetes:"):
            self.resources[f"{args.inputs['kind']}/{args.inputs['metadata']['name']}"] = args.inputs
            return args.name, args.inputs | {"metadata": args.inputs["metadata"] | {"uid": f"uid-of-{args.name}"}}
        return args.name, args.inputs

    def call(self, _args):
        return {}


class OptionsRecorder(mocks.MockMonitor):
    """Also remembers how the engine is told to go about it."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self.requests: dict[str, object] = {}

    def RegisterResource(self, request):  # noqa: N802 - gRPC's name
        self.requests[request.name] = request
        return super().RegisterResource(request)


def registered(args: TfServingArgs) -> Registered:
    recorder, outputs = Recorder(), {}
    monitor = OptionsRecorder(recorder)

    async def run() -> None:
        mocks.set_mocks(recorder, project="shapebench", stack="any", preview=False, monitor=monitor)
        made = TfServing("serving", args)
        await pulumi.runtime.stack.wait_for_rpcs()
        for name in ("rest_url", "grpc_address", "namespace", "fingerprint"):
            outputs[name] = await getattr(made, name).future()
        outputs["selector"] = made.selector

    asyncio.run(run())
    return Registered(recorder.resources, outputs, monitor.requests)


def with_(**changes: object) -> TfServingArgs:
    """The arguments with these changes, of the serving variant or beside it."""
    of_variant = {name: changes.pop(name) for name in ServingVariant.model_fields if name in changes}
    variant = ServingVariant.model_validate(BASE.variant.model_dump() | of_variant)
    return dataclasses.replace(BASE, **({"variant": variant} | changes))


def of_stack(stack: str, **changes: object) -> TfServingArgs:
    parsed = load_settings(stack)
    shape = parsed.node_shape(stack)
    changes |= {"shape": shape, "replicas": shape.nodes, "variant": parsed.variant, "threads": parsed.request_threads}
    return with_(**changes)


@pytest.fixture(scope="module")
def base() -> Registered:
    return registered(BASE)


@pytest.fixture(scope="module")
def on_bucket() -> Registered:
    return registered(with_(model_uri="gs://bucket/d1/resnet", bucket=BUCKET))


@pytest.fixture(scope="module")
def seed() -> Registered:
    return registered(with_(seed_faithful=True))


@pytest.mark.parametrize("stack", GKE_STACKS)
def test_each_shape_has_one_pod_a_node_with_its_threads_and_allocatable_resources(stack):
    nodes, vcpus = GKE_STACKS[stack]
    args = of_stack(stack)
    made = registered(args)
    pod = pod_resources(args.shape, args.model)
    assert made.deployment["replicas"] == nodes
    assert made.container["resources"] == {
        "requests": {"cpu": f"{pod.cpu_millis}m", "memory": f"{pod.memory_mib}Mi"},
        "limits": {"memory": f"{pod.memory_mib}Mi"},
    }
    assert made.flags["tensorflow_intra_op_parallelism"] == str(vcpus)
    assert made.flags["tensorflow_inter_op_parallelism"] == "8"
    assert (made.flags["rest_api_num_threads"], made.flags["grpc_max_threads"]) == (str(4 * vcpus), "1024")


@pytest.mark.parametrize(("one_dnn", "value"), [(True, "1"), (False, "0")])
def test_the_server_is_told_whether_to_compute_with_onednn(one_dnn, value):
    """As tensorflow/core/util/port.cc reads it."""
    assert registered(with_(one_dnn=one_dnn)).container["env"] == [{"name": "TF_ENABLE_ONEDNN_OPTS", "value": value}]


def test_without_the_setting_tensorflow_decides_by_the_cpu(base):
    assert "env" not in base.container


@pytest.mark.parametrize(("cpu_limit", "request_millis"), [(2.0, 900), (0.5, 500)])
def test_a_cpu_limit_is_on_the_container_and_its_request_is_no_more_than_that(cpu_limit, request_millis):
    """The API server refuses a request above the limit."""
    resources = registered(with_(cpu_limit=cpu_limit)).container["resources"]
    assert resources["limits"]["cpu"] == f"{1000 * cpu_limit:g}m"
    assert resources["requests"]["cpu"] == f"{request_millis}m"


def test_the_embedded_server_parses_the_pods_flags():
    container = registered(with_(batching=BATCHING)).container
    flags = parse_flags(container["args"])
    assert (flags.intra_op_threads, flags.inter_op_threads) == (2, 4)
    assert (flags.rest_api_num_threads, flags.grpc_max_threads) == (8, 1024)
    assert (flags.rest_api_port, flags.port, flags.model_name) == (8501, 8500, "resnet")
    assert flags.enable_batching
    assert flags.enable_grpc_healthcheck_service


def test_the_server_looks_for_model_versions_at_the_start_only(on_bucket):
    assert on_bucket.flags["file_system_poll_wait_seconds"] == "0"
    assert on_bucket.flags["model_base_path"] == "gs://bucket/d1/resnet"


def test_the_config_files_are_where_the_flags_point_and_hold_the_settings(tmp_path):
    made = registered(with_(batching=BATCHING))
    (config_map,) = made.of("ConfigMap")
    (mount,) = (mount for mount in made.container["volumeMounts"] if mount["name"] == "config")
    assert made.flags["batching_parameters_file"] == f"{mount['mountPath']}/batching.config"
    assert made.flags["monitoring_config_file"] == f"{mount['mountPath']}/monitoring.config"
    assert mount["readOnly"]
    for name, text in config_map["data"].items():
        (tmp_path / name).write_text(text)
    assert read_batching_file(tmp_path / "batching.config").model_dump() == BATCHING
    assert read_monitoring_file(tmp_path / "monitoring.config") == "/monitoring/prometheus/metrics"


def test_without_batching_there_is_no_flag_and_no_file(base):
    (config_map,) = base.of("ConfigMap")
    assert set(config_map["data"]) == {"monitoring.config"}
    assert "enable_batching" not in base.flags


def test_other_files_are_another_config_map_so_that_the_pods_are_replaced():
    first, second = (registered(with_(batching=BATCHING | {"max_batch_size": size})) for size in (8, 16))
    mounted = [made.pod["volumes"][0]["configMap"]["name"] for made in (first, second)]
    assert mounted[0] != mounted[1]
    assert [made.of("ConfigMap")[0]["metadata"]["name"] for made in (first, second)] == mounted
    assert all(made.of("ConfigMap")[0]["immutable"] for made in (first, second))
    assert config_map_name({"a": "1", "b": "2"}) == config_map_name({"b": "2", "a": "1"})


def test_two_variants_never_run_at_once(base):
    deployment = base.requests["serving-deployment"]
    assert list(deployment.replaceOnChanges) == ["spec"]
    assert deployment.deleteBeforeReplace
    assert base.deployment["strategy"] == {"type": "Recreate"}


def test_network_policies_exist_before_the_first_pod(base):
    awaited = {urn.rsplit("::", 1)[-1] for urn in base.requests["serving-deployment"].dependencies}
    assert {"serving-default-deny", "serving-server", "serving-config", "serving-namespace"} <= awaited


def test_two_pods_never_share_a_node(base):
    (term,) = base.pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["topologyKey"] == "kubernetes.io/hostname"
    assert term["labelSelector"]["matchLabels"] == SERVER_LABELS


def test_a_pod_is_scheduled_on_its_pool_only_and_tolerates_its_taint():
    pod = registered(with_(pool={"shapebench/pool": "serving"})).pod
    assert pod["nodeSelector"] == {"shapebench/pool": "serving"}
    assert pod["tolerations"] == [
        {"key": "shapebench/pool", "operator": "Equal", "value": "serving", "effect": "NoSchedule"}
    ]


def test_a_pod_is_ready_when_the_model_is_available_and_stays_so_under_load(base):
    startup, readiness = base.container["startupProbe"], base.container["readinessProbe"]
    assert startup["httpGet"] == {"path": "/v1/models/resnet/metadata", "port": 8501}
    assert startup["periodSeconds"] * startup["failureThreshold"] == 150
    assert readiness["grpc"] == {"port": 8500}
    assert readiness["periodSeconds"] * readiness["failureThreshold"] >= 60
    assert base.flags["enable_grpc_healthcheck_service"] == "true"
    assert "livenessProbe" not in base.container


def test_a_deployment_waits_longer_than_a_pod_may_take_to_start(base):
    # IAM's wait, the server's start, and time to pull two images.
    assert base.deployment["progressDeadlineSeconds"] >= 180 + 150 + 120


def test_a_pod_keeps_the_restricted_pod_security_level(base):
    (namespace,) = base.of("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert base.pod["securityContext"]["runAsNonRoot"]
    assert base.pod["securityContext"]["runAsUser"] > 0
    assert base.pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert base.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"configMap", "emptyDir"} == {kind for volume in base.pod["volumes"] for kind in volume} - {"name"}


def test_no_pod_has_a_token_and_only_a_bucket_needs_an_account(base, on_bucket):
    assert base.of("ServiceAccount") == []
    assert "serviceAccountName" not in base.pod
    (account,) = on_bucket.of("ServiceAccount")
    assert on_bucket.pod["serviceAccountName"] == account["metadata"]["name"] == SERVICE_ACCOUNT
    assert account["metadata"]["annotations"] == {"owner": "tests"}
    for made in (base, on_bucket):
        assert made.pod["automountServiceAccountToken"] is False
    assert account["automountServiceAccountToken"] is False


def test_a_server_on_a_bucket_has_an_account_without_annotations_too():
    made = registered(with_(model_uri="gs://bucket/d1/resnet", bucket=BucketAccess("locustio/locust:2.46.6")))
    assert made.pod["serviceAccountName"] == SERVICE_ACCOUNT
    assert len(made.policy("server")["egress"]) > 0


def test_rest_has_a_cluster_ip_and_grpc_reaches_every_pod(base):
    rest, grpc = base.resources["Service/tf-serving-rest"]["spec"], base.resources["Service/tf-serving-grpc"]["spec"]
    assert "clusterIP" not in rest
    assert grpc["clusterIP"] == "None"
    assert base.outputs["rest_url"] == "http://tf-serving-rest.shapebench.svc:8501"
    assert base.outputs["grpc_address"] == "tf-serving-grpc.shapebench.svc:8500"
    named = {port["name"]: port["containerPort"] for port in base.container["ports"]}
    for spec, port in ((rest, 8501), (grpc, 8500)):
        (served,) = spec["ports"]
        assert served["port"] == named[served["targetPort"]] == port


def test_everything_is_denied_first(base):
    deny = base.policy("default-deny")
    assert deny["podSelector"].get("matchLabels", {}) == {}
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert (deny.get("ingress", []), deny.get("egress", [])) == ([], [])


def peers(rules: list[dict], direction: str) -> list[dict]:
    return [peer for rule in rules for peer in rule[direction]]


def test_only_the_load_generator_reaches_the_server(base, on_bucket):
    for made in (base, on_bucket):
        policy = made.policy("server")
        assert policy["podSelector"]["matchLabels"] == SERVER_LABELS
        (rule,) = policy["ingress"]
        assert rule["from"] == [{"podSelector": {"matchLabels": GENERATOR_LABELS}}]
        assert {port["port"] for port in rule["ports"]} == {8500, 8501}


def test_a_server_whose_model_is_in_its_image_has_no_egress(base):
    policy = base.policy("server")
    assert "Egress" in policy["policyTypes"]
    assert policy.get("egress", []) == []


def test_a_server_whose_model_is_in_a_bucket_reaches_dns_metadata_and_google_apis(on_bucket):
    rules = on_bucket.policy("server")["egress"]
    assert {port["port"] for rule in rules for port in rule["ports"]} == {53, 80, 988, 443}
    for rule in rules:
        ports = {port["port"] for port in rule["ports"]}
        addresses = [peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer]
        if ports == {443}:
            (public,) = addresses
            assert "10.0.0.0/8" in public["except"]
            assert "169.254.0.0/16" in public["except"]
        else:
            assert all(block["cidr"].startswith("169.254.") for block in addresses)


def test_the_load_generator_reaches_servers_dns_and_its_own_master_and_is_reached_at_its_sidecar_only(base):
    policy = base.policy("load-generator")
    assert policy["podSelector"]["matchLabels"] == GENERATOR_LABELS
    of_others, of_its_own = policy["ingress"]
    assert of_others == {"ports": [{"port": 8502, "protocol": "TCP"}]}
    assert of_its_own["ports"] == [{"port": 5557, "protocol": "TCP"}]
    assert of_its_own["from"] == [{"podSelector": {"matchLabels": GENERATOR_LABELS}}]
    pods = [peer["podSelector"].get("matchLabels") for peer in peers(policy["egress"], "to") if "podSelector" in peer]
    assert [labels for labels in pods if labels] == [SERVER_LABELS, GENERATOR_LABELS]


def test_seed_faithful_changes_resources_probes_rest_threads_and_affinity_only(base, seed):
    assert set(base.container["args"]) - set(seed.container["args"]) == {"--rest_api_num_threads=8"}
    assert set(seed.container["args"]) <= set(base.container["args"])
    assert {key for key in base.container if base.container[key] != seed.container.get(key)} == {
        "args",
        "resources",
        "startupProbe",
        "readinessProbe",
    }
    assert {key for key in base.pod if base.pod[key] != seed.pod.get(key)} == {"affinity", "containers"}
    others = {name for name in base.resources if base.resources[name] != seed.resources.get(name)}
    assert others == {"Deployment/tf-serving"}
    assert set(base.resources) == set(seed.resources)


def test_a_server_on_a_bucket_is_preceded_by_a_wait_for_its_model(base, on_bucket, tmp_path):
    assert not base.pod.get("initContainers")
    (wait,) = on_bucket.pod["initContainers"]
    program, isolated, script = wait["command"]
    assert (program, isolated) == ("python", "-I")
    (config_map,) = on_bucket.of("ConfigMap")
    (mount,) = (mount for mount in wait["volumeMounts"] if mount["name"] == "config")
    text = config_map["data"][script.removeprefix(f"{mount['mountPath']}/")]
    assert text == Path(serving.model_access.__file__).read_text()
    assert wait["args"] == [
        "http://169.254.169.254",
        "https://storage.googleapis.com",
        on_bucket.flags["model_base_path"],
        "180",
    ]
    assert wait["terminationMessagePolicy"] == "FallbackToLogsOnError"


def test_the_wait_for_the_model_is_as_confined_as_the_server_and_changes_no_room(on_bucket):
    (wait,) = on_bucket.pod["initContainers"]
    assert wait["securityContext"] == on_bucket.container["securityContext"]
    assert wait["resources"] == on_bucket.container["resources"]
    assert wait["resources"]["limits"]["memory"]


def test_seed_faithful_waits_for_its_model_too_and_sets_no_resources():
    (wait,) = registered(with_(model_uri="gs://b/d1/resnet", bucket=BUCKET, seed_faithful=True)).pod["initContainers"]
    assert wait["command"][0] == "python"
    assert "resources" not in wait


def test_services_exist_once_every_pod_of_this_deployment_was_ready(base):
    assert base.start["deployment"] == "uid-of-serving-deployment"
    assert (base.start["namespace"], base.start["selector"], base.start["replicas"]) == ("shapebench", SERVER_LABELS, 2)
    assert base.start["limitS"] == base.deployment["progressDeadlineSeconds"]
    for suffix in ("rest", "grpc"):
        awaited = {urn.rsplit("::", 1)[-1] for urn in base.requests[f"serving-{suffix}"].dependencies}
        assert "serving-start" in awaited


def test_pulumi_itself_waits_for_the_controller_only_for_it_reads_no_init_container(base):
    annotations = base.resources["Deployment/tf-serving"]["metadata"]["annotations"]
    assert annotations == {"pulumi.com/waitFor": "jsonpath={.status.observedGeneration}"}


CHANGES: list[dict[str, object]] = [
    {"namespace": "other"},
    {"image": "tensorflow/serving:2.19.1"},
    {"shape": SHAPE.model_copy(update={"vcpus": 4, "memory_gb": 8.0})},
    {"replicas": 3},
    {"model_uri": "/models/other/resnet"},
    {"model": RESNET50.model_copy(update={"name": "other"})},
    {"intra_op": 1},
    {"inter_op": 8},
    {"batching": BATCHING},
    {"cpu_limit": 1.5},
    {"one_dnn": False},
    {"threads": RequestThreads(grpc=2048, rest=8)},
    {"access": ClusterAccess(context="another")},
    {"own_server": ANY_IMAGE},
    {"bucket": BUCKET},
    {"pool": {"shapebench/pool": "serving"}},
    {"resources": PodResources(500, 1024)},
    {"one_a_node": False},
    {"seed_faithful": True},
    {"labels": {"shapebench-stack": "any"}},
    {"least_load_limit_s": 600},
    {"autoscaler_settings": AutoscalerSettings(target_percent=50)},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_every_argument_changes_what_is_registered(base, change):
    assert registered(with_(**change)).resources != base.resources


def test_every_argument_is_tried_above():
    # The digest is in the fingerprint and, by way of the URI, in the flags.
    tried = {name for change in CHANGES for name in change} | {"model_digest"}
    beside_the_variant = {field.name for field in dataclasses.fields(TfServingArgs)} - {"variant"}
    assert tried == beside_the_variant | set(ServingVariant.model_fields) - {"protocol"}


def test_an_autoscaler_changes_the_number_of_pods_which_drain_before_they_end():
    found = registered(
        with_(autoscaler_settings=AutoscalerSettings(target_percent=40, fewest=2, stabilization_s=90), replicas=7)
    )
    assert "replicas" not in found.deployment
    (scaler,) = found.of("HorizontalPodAutoscaler")
    spec = scaler["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "tf-serving"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 7)
    assert spec["behavior"] == {"scaleDown": {"stabilizationWindowSeconds": 90}}
    # 40 % of 2 vCPUs, as a share of what a pod requests.
    requested = int(found.container["resources"]["requests"]["cpu"].removesuffix("m"))
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 40 * 2000 // requested
    assert (found.start["replicas"], found.start["autoscaled"]) == (2, True)
    assert found.container["lifecycle"] == {"preStop": {"sleep": {"seconds": 10}}}
    assert found.pod["terminationGracePeriodSeconds"] > 10


def test_the_server_is_deployed_the_same_for_both_protocols(base):
    over_grpc = registered(with_(protocol="grpc"))
    assert over_grpc.resources == base.resources
    assert over_grpc.outputs == base.outputs


MEASURED = {
    "image",
    "own_server",
    "shape",
    "replicas",
    "intra_op",
    "inter_op",
    "batching",
    "cpu_limit",
    "one_dnn",
    "resources",
    "one_a_node",
    "autoscaler_settings",
    "seed_faithful",
}


@pytest.mark.parametrize("change", [*CHANGES, {"model_digest": "d2"}], ids=lambda change: next(iter(change)))
def test_the_fingerprint_changes_exactly_when_what_is_measured_does(base, change):
    other = registered(with_(**change)).outputs["fingerprint"]
    assert (other != base.outputs["fingerprint"]) == (next(iter(change)) in MEASURED | {"model_digest"})


def test_more_rest_threads_are_another_server_and_more_grpc_threads_are_not(base):
    assert registered(with_(threads=RequestThreads(grpc=1024, rest=16))).outputs != base.outputs


def test_stack_labels_are_on_the_namespace_and_do_not_replace_pods(base):
    made = registered(with_(labels={"shapebench-commit": "abc"}))
    (namespace,) = made.of("Namespace")
    assert namespace["metadata"]["labels"]["shapebench-commit"] == "abc"
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert made.deployment == base.deployment


def test_labels_of_the_stack_cannot_lower_the_pod_security_level():
    made = registered(with_(labels={"pod-security.kubernetes.io/enforce": "privileged"}))
    assert made.of("Namespace")[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_equal_parts_have_equal_hashes_whatever_their_order():
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})


ANY_ARGS = st.builds(
    TfServingArgs,
    namespace=st.from_regex(r"[a-z]{1,20}", fullmatch=True),
    image=st.sampled_from(["tensorflow/serving:2.20.0", "a@sha256:" + "0" * 64]),
    shape=st.builds(
        lambda vcpus, memory_gb: SHAPE.model_copy(update={"vcpus": vcpus, "memory_gb": memory_gb}),
        st.integers(2, 64),
        st.integers(4, 256).map(float),
    ),
    replicas=st.integers(1, 16),
    model_uri=st.sampled_from(["/models/d/resnet", "gs://bucket/d/resnet"]),
    model=st.just(RESNET50),
    model_digest=st.just("d"),
    variant=st.fixed_dictionaries(
        {
            "protocol": st.sampled_from(["rest", "grpc"]),
            "intra_op": st.integers(1, 64),
            "inter_op": st.integers(1, 64),
            "batching": st.none() | st.just(BATCHING),
            "cpu_limit": st.none() | st.integers(1, 64000).map(lambda millis: millis / 1000),
            "one_dnn": st.none() | st.booleans(),
        }
    ).map(ServingVariant.model_validate),
    access=st.just(ClusterAccess()),
    bucket=st.none() | st.just(BUCKET),
    pool=st.sampled_from([{}, {"shapebench/pool": "serving"}]),
    resources=st.none() | st.builds(PodResources, st.integers(100, 64000), st.integers(512, 65536)),
    one_a_node=st.booleans(),
    seed_faithful=st.booleans(),
    labels=st.just({}),
)


def values_of(tree: object, key: str) -> list[object]:
    """Every value under `key`, at any depth."""
    if isinstance(tree, dict):
        found = [tree[key]] if key in tree else []
        return found + [value for branch in tree.values() for value in values_of(branch, key)]
    if isinstance(tree, list):
        return [value for branch in tree for value in values_of(branch, key)]
    return []


@settings(max_examples=40)
@given(ANY_ARGS)
def test_with_any_arguments_nothing_is_public_and_a_pod_has_the_memory_that_it_requests(args):
    made = registered(args)
    assert {service["spec"]["type"] for service in made.of("Service")} == {"ClusterIP"}
    for forbidden in ("nodePort", "hostPort", "hostNetwork", "externalIPs", "hostPath", "privileged"):
        assert values_of(made.resources, forbidden) == []
    resources = made.container.get("resources")
    assert (resources is None) == args.seed_faithful
    if resources is not None:
        requests, limits = resources["requests"], resources["limits"]
        assert requests["memory"] == limits["memory"]
        assert ("cpu" in limits) == (args.variant.cpu_limit is not None)
        assert int(requests["cpu"].removesuffix("m")) <= int(limits.get("cpu", requests["cpu"]).removesuffix("m"))
    labels = made.deployment["template"]["metadata"]["labels"]
    for selector in [made.deployment["selector"]["matchLabels"], *(s["spec"]["selector"] for s in made.of("Service"))]:
        assert selector.items() <= labels.items()
    assert made.outputs["selector"].items() <= labels.items()
    assert not GENERATOR_LABELS.items() <= labels.items()
    admitted = peers(made.policy("server")["ingress"], "from")
    assert admitted == [{"podSelector": {"matchLabels": GENERATOR_LABELS}}]
    objects = [inputs for name, inputs in made.resources.items() if not name.startswith("ServerStart/")]
    elsewhere = [inputs["metadata"].get("namespace", args.namespace) for inputs in objects]
    assert set(elsewhere) == {args.namespace}


def of_any_image(**changes: object) -> TfServingArgs:
    server = ANY_IMAGE.model_copy(update=changes)
    return with_(image=server.image, own_server=server, protocol="v2-rest")


def test_any_image_gets_its_own_arguments_ports_and_probes_and_nothing_of_tf_serving():
    made = registered(of_any_image())
    container = made.container
    assert container["image"] == "seldonio/mlserver:1.7.1"
    assert container["args"] == ["mlserver", "start", "/models/d1/resnet", "--threads=2"]
    assert {each["name"]: each["containerPort"] for each in container["ports"]} == {"rest": 8080, "grpc": 8081}
    assert container["startupProbe"]["httpGet"] == {"path": "/v2/models/resnet/ready", "port": 8080}
    assert container["readinessProbe"]["tcpSocket"] == {"port": 8080}
    assert "grpc" not in container["readinessProbe"]
    assert container["env"] == [{"name": "HOME", "value": "/tmp"}]
    assert made.resources["Service/tf-serving-rest"]["spec"]["ports"][0]["port"] == 8501
    assert made.resources["Service/tf-serving-grpc"]["spec"]["ports"][0]["port"] == 8081
    assert made.outputs["grpc_address"] == "tf-serving-grpc.shapebench.svc:8081"
    (allowed,) = made.policy("server")["ingress"]
    assert [each["port"] for each in allowed["ports"]] == [8080, 8081]


def test_an_image_without_a_grpc_port_has_no_service_for_it():
    made = registered(of_any_image(ports=ServerPorts(rest=8080)))
    assert [each["metadata"]["name"] for each in made.of("Service")] == ["tf-serving-rest"]
    assert made.outputs["grpc_address"] == ""


def test_other_arguments_of_an_image_are_another_server():
    fingerprints = {
        registered(args).outputs["fingerprint"]
        for args in (of_any_image(), of_any_image(args=("mlserver", "start", "{model}")), BASE)
    }
    assert len(fingerprints) == 3


def test_a_server_that_reads_no_buckets_gets_a_copy_of_the_model_in_each_pod():
    ours = dataclasses.replace(
        BASE, image="docker.example/shapebench-onnxruntime:0.1.0", model_uri="gs://b/d1/resnet", bucket=BUCKET
    )
    pod = registered(ours).pod
    (access,) = pod["initContainers"]
    assert access["args"][2:] == ["gs://b/d1/resnet", "180", "{}", "/models/copied"]
    (server,) = pod["containers"]
    assert "--model_base_path=/models/copied" in server["args"]
    assert {"name": "model", "emptyDir": {}} in pod["volumes"]
    assert all({"name": "model", "mountPath": "/models"} in each["volumeMounts"] for each in (access, server))
    # It converts the model first.
    assert ours.load_limit_s == RESNET50.load_limit_s + 300


def test_a_server_that_reads_buckets_gets_no_copy():
    pod = registered(dataclasses.replace(BASE, model_uri="gs://b/d1/resnet", bucket=BUCKET)).pod
    assert pod["initContainers"][0]["args"][2:] == ["gs://b/d1/resnet", "180"]
    assert [volume["name"] for volume in pod["volumes"]] == ["config", "tmp"]


@pytest.mark.parametrize("reads", [True, False])
def test_an_image_says_whether_it_reads_buckets(*, reads: bool):
    server = ANY_IMAGE.model_copy(update={"reads_buckets": reads})
    args = dataclasses.replace(BASE, own_server=server, model_uri="gs://b/d1/resnet", bucket=BUCKET)
    assert args.copies_model is not reads
    (container,) = registered(args).pod["containers"]
    assert container["args"][2] == ("gs://b/d1/resnet" if reads else "/models/copied")


def test_a_model_that_the_server_cannot_serve_is_refused_before_anything_is_declared():
    words = RESNET50.model_copy(update={"inputs": (RESNET50.inputs[0].model_copy(update={"dtype": "string"}),)})
    image = "docker.example/shapebench-openvino:0.1.0"
    with pytest.raises(SettingsError, match=r"shapebench-openvino:0\.1\.0 cannot serve this model: .*text"):
        TfServing("serving", dataclasses.replace(BASE, image=image, model=words))


def test_a_server_with_ports_of_its_own_is_another_deployment():
    """The API server merges a preview of it with one of the same name, and refuses two ports of one name."""
    other = ANY_IMAGE.model_copy(update={"ports": ServerPorts(rest=8000, grpc=9000)})
    names = {
        next(
            name for name in registered(dataclasses.replace(BASE, own_server=server)).resources if "Deployment/" in name
        )
        for server in (None, ANY_IMAGE, other)
    }
    assert len(names) == 3
    assert "Deployment/tf-serving" in names
