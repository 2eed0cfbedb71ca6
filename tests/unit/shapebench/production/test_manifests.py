"""The manifests that `shapebench manifests` writes, read back from the files as `kubectl` would."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from analysis.results.schema.manifest import Replica, Validity
from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from analysis.results.schema.samples import SAMPLES_SCHEMA
from analysis.results.storage.store import ResultsStore, new_run_id
from policy.resource import Resource
from policy.rules import RULES
from shapebench.cli import app
from stacks.server.models import RESNET50
from tests.support.production import production_store, write_search
from tests.unit.components.gke.gke_program import record_stack

DAY = ("--peak", "100", "--night", "10", "--p99", "500ms")
MODEL = ("--model", "gs://models-of-acme/resnet")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return production_store(tmp_path_factory.mktemp("store"))


def invoke(store: str, folder: Path, *more: str, day=DAY, model=MODEL):
    return CliRunner().invoke(app, ("manifests", *day, *model, "--results", store, "--out", str(folder), *more))


def objects(folder: Path) -> dict[str, dict]:
    """By kind and name, from all files."""
    found = [each for file in folder.iterdir() for each in yaml.safe_load_all(file.read_text())]
    return {f"{each['kind']}/{each['metadata']['name']}": each for each in found}


@pytest.fixture(scope="module")
def written(store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "manifests"
    result = invoke(store, folder)
    assert result.exit_code == 0, result.output
    return result, objects(folder)


def test_each_kind_has_a_file_and_nothing_else_is_there(store, tmp_path):
    assert invoke(store, tmp_path / "out").exit_code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"out"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("autoscaler.yaml", "compute-class.yaml", "deployment.yaml", "disruption-budget.yaml", "service.yaml")
    }


def test_a_run_that_the_choice_does_not_rest_on_is_named(tmp_path):
    store = ResultsStore(production_store(tmp_path / "store"))
    newest = store.scan().manifests[-1]
    died = Validity(verdict="invalid", reasons=("the server died",))
    manifest = newest.model_copy(update={"run_id": new_run_id(), "validity": died})
    store.write_run(manifest, [("w0", REQUESTS_SCHEMA.empty_table())], SAMPLES_SCHEMA.empty_table())
    said = " ".join(invoke(store.uri, tmp_path / "out").stderr.split())
    assert f"not used for the day: {manifest.run_id} of {manifest.stack}: the server died" in said


def test_the_pods_server_is_the_one_that_a_stack_of_this_shape_runs(written):
    [pod] = [made.inputs["spec"]["template"]["spec"] for made in record_stack("8cpu-16gb").of(":Deployment")]
    here = written[1]["Deployment/resnet"]["spec"]["template"]["spec"]
    measured, [container] = dict(pod["containers"][0]), map(dict, here["containers"])
    assert container.pop("lifecycle") == {"preStop": {"sleep": {"seconds": 10}}}
    # The bucket is another one, and the stack's own shape has the same settings.
    of_bucket = "--model_base_path="
    for each in (measured, container):
        [path] = [arg for arg in each["args"] if arg.startswith(of_bucket)]
        each["args"] = sorted(set(each["args"]) - {path})
    assert container == measured
    assert here["securityContext"] == pod["securityContext"]
    assert here["initContainers"][0]["command"] == pod["initContainers"][0]["command"]
    assert here["terminationGracePeriodSeconds"] > 10


def test_the_pods_read_the_model_where_it_is_with_an_account_of_their_own(written):
    result, found = written
    [container] = found["Deployment/resnet"]["spec"]["template"]["spec"]["containers"]
    assert "--model_base_path=gs://models-of-acme/resnet" in container["args"]
    assert found["Deployment/resnet"]["spec"]["template"]["spec"]["serviceAccountName"] == "resnet"
    assert "ServiceAccount/resnet" in found
    assert "gs://models-of-acme --role=roles/storage.objectViewer" in result.output
    assert "/subject/ns/default/sa/resnet" in result.output


def test_everything_selects_the_pods_of_this_fleet_only(written):
    found = written[1]
    deployment = found["Deployment/resnet"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/instance"] == "resnet"
    [term] = deployment["template"]["spec"]["affinity"]["podAntiAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    for selector in (
        deployment["selector"]["matchLabels"],
        term["labelSelector"]["matchLabels"],
        found["Service/resnet"]["spec"]["selector"],
        found["Service/resnet-grpc"]["spec"]["selector"],
        found["PodDisruptionBudget/resnet"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector == labels


def test_the_autoscaler_has_the_forecasts_target_in_terms_of_what_a_pod_requests(store, written):
    found = written[1]
    day = CliRunner().invoke(app, ("day", *DAY, "--results", store, "--json"))
    fleets = json.loads(day.stdout)["variants"][0]["fleets"]
    assert fleets[0]["fleet"] == "autoscaled"
    [container] = found["Deployment/resnet"]["spec"]["template"]["spec"]["containers"]
    # 450 m a vCPU: stacks/allocatable.py.
    assert container["resources"]["requests"]["cpu"] == "3600m"
    spec = found["HorizontalPodAutoscaler/resnet"]["spec"]
    [metric] = spec["metrics"]
    assert metric["resource"]["target"]["averageUtilization"] == int(fleets[0]["target_percent"] * 8000 / 3600)
    assert spec["minReplicas"] == 1
    assert spec["maxReplicas"] == 2 * fleets[0]["nodes"]["most"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "resnet"}
    assert "replicas" not in found["Deployment/resnet"]["spec"]


def test_the_compute_class_has_the_machine_types_that_hold_the_pods_the_cheapest_day_first(written):
    result, found = written
    spec = found["ComputeClass/resnet"]["spec"]
    assert [each["machineType"] for each in spec["priorities"]] == ["e2-custom-8-16384", "e2-custom-8-65536"]
    assert spec["whenUnsatisfiable"] == "DoNotScaleUp"
    assert "namespace" not in found["ComputeClass/resnet"]["metadata"]
    pod = found["Deployment/resnet"]["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"cloud.google.com/compute-class": "resnet"}
    rolled = found["Deployment/resnet"]["spec"]["strategy"]["rollingUpdate"]
    assert rolled == {"maxSurge": 1, "maxUnavailable": 0}
    assert "not in the ComputeClass: e2-custom-4-8192: its nodes have no room for a pod of 3600 m CPU" in result.output


def test_the_deployment_says_where_its_figures_are_from(written):
    annotations = written[1]["Deployment/resnet"]["metadata"]["annotations"]
    assert annotations["shapebench/objective"] == "p99 <= 500 ms"
    assert annotations["shapebench/measured"] == "2026-11-20"
    assert annotations["shapebench/model-digest"].startswith("sha256:")
    assert 0 < float(annotations["shapebench/usd-a-day"]) < 100
    assert all(isinstance(value, str) for value in annotations.values())


def test_every_rule_for_kinds_that_stacks_have_is_kept(written):
    kinds = {"Deployment": "apps/v1", "Service": "core/v1", "ConfigMap": "core/v1", "ServiceAccount": "core/v1"}
    resources = [
        Resource(f"kubernetes:{kinds[each['kind']]}:{each['kind']}", each["metadata"]["name"], "8cpu-16gb", each)
        for each in written[1].values()
        if each["kind"] in kinds
    ]
    assert {resource.type_name for resource in resources} == set(kinds)
    assert [violation for rule in RULES for resource in resources for violation in rule.violations(resource)] == []


def test_where_the_runs_do_not_show_the_cpu_the_fleet_is_fixed(tmp_path):
    store = ResultsStore(str(tmp_path / "store"))
    write_search(store, 40, cores=None)
    result = invoke(store.uri, tmp_path / "out")
    assert result.exit_code == 0, result.output
    found = objects(tmp_path / "out")
    assert not any(key.startswith("HorizontalPodAutoscaler/") for key in found)
    # 100 requests a second, and each node carries about 19.
    assert found["Deployment/resnet"]["spec"]["replicas"] >= 6
    assert "No autoscaler" in result.output


def test_a_model_in_the_servers_image_needs_no_account_and_no_wait(store, tmp_path):
    result = invoke(
        store, tmp_path / "out", "--name", "photos", "--namespace", "vision", model=("--model", "/models/m/")
    )
    assert result.exit_code == 0, result.output
    found = objects(tmp_path / "out")
    pod = found["Deployment/photos"]["spec"]["template"]["spec"]
    assert "initContainers" not in pod
    assert not any(key.startswith("ServiceAccount/") for key in found)
    assert "--model_base_path=/models/m" in pod["containers"][0]["args"]
    assert {each["metadata"].get("namespace", "vision") for each in found.values()} == {"vision"}
    assert "kubectl create namespace vision" in result.output
    assert "gcloud" not in result.output


def test_over_zones_the_pods_are_spread_as_far_as_there_are_machines(store, tmp_path):
    assert invoke(store, tmp_path / "out", "--zones", "3").exit_code == 0
    found = objects(tmp_path / "out")
    [spread] = found["Deployment/resnet"]["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "topology.kubernetes.io/zone"
    assert found["HorizontalPodAutoscaler/resnet"]["spec"]["minReplicas"] == 3


def test_outside_of_gke_there_is_no_compute_class(tmp_path):
    store = ResultsStore(str(tmp_path / "store"))
    write_search(store, 40, platform="kubernetes")
    result = invoke(store.uri, tmp_path / "out")
    assert result.exit_code == 0, result.output
    found = objects(tmp_path / "out")
    assert not any(key.startswith("ComputeClass/") for key in found)
    deployment = found["Deployment/resnet"]["spec"]
    assert "nodeSelector" not in deployment["template"]["spec"]
    # Each pod needs a node of its own, and nobody makes another one.
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert "No ComputeClass" in result.output


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--model", "s3://bucket/m"), "--model is 's3://bucket/m', which is neither in a bucket nor a path"),
        (("--model", "models/m"), "--model is 'models/m'"),
        (("--name", "ResNet"), "--name is 'ResNet'; give up to 40 lower-case letters"),
        (("--name", "gke-resnet"), "--name is 'gke-resnet', but GKE keeps names that begin with"),
        (("--namespace", "a b"), "--namespace is 'a b'"),
        (("--peak", "0"), "--peak is 0"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_written(store, tmp_path, more, says):
    result = invoke(store, tmp_path / "out", *more)
    assert result.exit_code == 1
    assert says in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_as_it_is(store, tmp_path):
    (tmp_path / "mine").write_text("here")
    result = invoke(store, tmp_path)
    assert result.exit_code == 1
    assert "exists, and nothing in it is overwritten" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"platform": "local", "stack": "local"}, "a rehearsal on one machine"),
        ({"serving": {"seed_faithful": True}}, "was deployed with seedFaithful"),
        ({"serving": {"image": None}}, "without a container image"),
        (
            {"platform": "service", "serving": {"image": None, "server_args": ()}},
            "is a service that something else deploys",
        ),
        (
            {"serving": {"server": "acme/server", "image": "acme/server:1", "server_args": ("serve", "{model}")}},
            "shapebench:server of stack 8cpu-16gb does not describe this image",
        ),
    ],
)
def test_a_run_that_does_not_say_how_to_deploy_it_is_refused(tmp_path, changes, says):
    store = ResultsStore(str(tmp_path / "store"))
    write_search(store, 40, **changes)
    result = invoke(store.uri, tmp_path / "out")
    assert result.exit_code == 1
    assert says in result.output
    assert not (tmp_path / "out").exists()


def probe_of(folder: Path) -> tuple[int, str]:
    """The seconds that the start-up probe allows, and the comment at the head of the Deployment's file."""
    text = (folder / "deployment.yaml").read_text()
    [container] = objects(folder)["Deployment/resnet"]["spec"]["template"]["spec"]["containers"]
    probe = container["startupProbe"]
    comment = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    return probe["periodSeconds"] * probe["failureThreshold"], comment


def with_starts(folder: Path, *ready_after_s: float) -> str:
    """A store with one search, of which each start of a pod was recorded."""
    store = ResultsStore(str(folder))
    replicas = tuple(Replica(name=f"pod-{n}", ready_after_s=each) for n, each in enumerate(ready_after_s))
    write_search(store, 40, replicas=replicas)
    return store.uri


def test_the_start_up_probe_allows_three_times_the_longest_start_that_was_recorded(tmp_path):
    assert invoke(with_starts(tmp_path / "store", 310.0, 401.5), tmp_path / "out").exit_code == 0
    allowed_s, comment = probe_of(tmp_path / "out")
    assert allowed_s == 1210
    assert (
        "The start-up probe allows 1210 s: 3 times the longest of the 2 starts of a pod that were recorded (402 s)."
        in comment
    )


@pytest.mark.parametrize(
    ("starts", "rests_on"), [((), "no start of a pod was recorded"), ((20.0, 30.0), "longest of the 2 starts of a pod")]
)
def test_the_start_up_probe_allows_at_least_the_limit_of_a_stack_with_resnet50(tmp_path, starts, rests_on):
    assert invoke(with_starts(tmp_path / "store", *starts), tmp_path / "out").exit_code == 0
    allowed_s, comment = probe_of(tmp_path / "out")
    assert allowed_s == RESNET50.load_limit_s == 150
    assert "The start-up probe allows 150 s, as for a model of 100 MB that a stack loads" in comment
    assert rests_on in comment
