"""What a GKE stack meets in these tests: a Google Cloud in a folder, a real control plane, nodes that are played.

Google's REST APIs, beside those that create things, have a stand-in of their own: tests/support/google_stand_in.py.
"""

import json
import os
import re
import time
from collections.abc import ItemsView
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import yaml
from kubernetes import client

from provider.cluster.load_job import GENERATOR
from stacks.names import STACK
from tests.engine.gcp_stand_in.memory import VARIABLE, Memory
from tests.engine.gke.stand_in_kubelet import StandInKubelet
from tests.engine.harness import CHECKOUT, SMOKE, Stack, eventually
from tests.engine.process_pods import ProcessPods
from tests.support.google_stand_in import GoogleStandIn, RefusedError, application_default_credentials, serving
from tests.support.kubernetes.binaries import bin_folder
from tests.support.kubernetes.control_plane import ControlPlane
from tests.support.model_bucket import ModelBucket, serving_bucket
from tests.support.pod_processes import PodProcesses

STAND_IN = Path(__file__).parents[1] / "gcp_stand_in/bin"
# The number is that of the buckets of the gcp stand-in.
PROJECT, PROJECT_NUMBER = "shapebench-tests", 123456789012
NAMESPACE = "shapebench"
REST_URL = f"http://tf-serving-rest.{NAMESPACE}.svc:8501"
# Every kind that a stack of this project could make, and that goes away only if somebody deletes it.
_KINDS = ["Namespace", "Node", "Pod", "Deployment", "ReplicaSet", "Job", "Service", "EndpointSlice", "ConfigMap",
          "Secret", "ServiceAccount", "NetworkPolicy", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding",
          "PodDisruptionBudget", "PriorityClass", "PersistentVolumeClaim", "StatefulSet", "DaemonSet"]  # fmt: skip
_CLUSTER = "gcp:container/cluster:Cluster"
_OF_EVERY_NAMESPACE = {"default", "kube-root-ca.crt"}
_GROUPS = ["api/v1", "apis/apps/v1", "apis/batch/v1", "apis/networking.k8s.io/v1", "apis/discovery.k8s.io/v1",
           "apis/rbac.authorization.k8s.io/v1", "apis/policy/v1", "apis/scheduling.k8s.io/v1"]  # fmt: skip


def with_real_gcp() -> bool:
    """Whether the gcp plugin is to be the one on PATH: for the tests named preview, which need no cloud."""
    return os.environ.get("SHAPEBENCH_TESTS_GCP") == "real"


class RememberedClusters(dict[str, Any]):
    """The clusters that the gcp plugin's stand-in remembers, as Google's REST API has them. They can be deleted."""

    def __init__(self, memory: Memory) -> None:
        super().__init__()
        self._memory = memory

    def _all(self) -> dict[str, Any]:
        with self._memory.resources() as resources:
            clusters = [resource for resource in resources.values() if resource["type"] == _CLUSTER]
        return {f"container/{cluster['id']}": self._document(cluster) for cluster in clusters}

    def _document(self, cluster: dict[str, Any]) -> dict[str, Any]:
        inputs = cluster["inputs"]
        status = "PROVISIONING" if cluster["ready_at"] > time.time() else "RUNNING"
        return {key: inputs[key] for key in ("name", "location", "resourceLabels")} | {"status": status}

    def items(self) -> ItemsView[str, Any]:
        return self._all().items()

    def __contains__(self, path: object) -> bool:
        return path in self._all()

    def __getitem__(self, path: str) -> Any:
        return self._all()[path]

    def __delitem__(self, path: str) -> None:
        if self[path]["status"] == "PROVISIONING":
            raise RefusedError(400, f"Cluster is running incompatible operation on {path}.")
        with self._memory.resources() as resources:
            del resources[f"{_CLUSTER}::{path.removeprefix('container/')}"]


@dataclass
class World:
    """Everything outside a stack."""

    home: Path
    control_plane: ControlPlane
    api: client.ApiClient
    pods: ProcessPods
    memory: Memory = field(init=False)
    cloud: GoogleStandIn = field(init=False)
    bucket: ModelBucket = field(init=False)
    """What the servers' pods are given by the metadata server and by Cloud Storage."""
    _kubelet: StandInKubelet = field(init=False)
    _stacks: list[Stack] = field(init=False, default_factory=list)
    _endpoints: dict[str, str] = field(init=False, default_factory=dict)
    _open: ExitStack = field(init=False, default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.memory = Memory(self.home / "google")
        self.cloud = GoogleStandIn(project=PROJECT, resources=RememberedClusters(self.memory))
        self.bucket = ModelBucket(holds=lambda name: name in self._objects(), permits=self.grants, names=self._objects)
        plane = self.control_plane
        self.memory.hand_out(plane.address, plane.ca_certificate, plane.token)
        self._kubelet = StandInKubelet(self.api, self.memory, self.pods)

    def __enter__(self) -> Self:
        self._endpoints = self._open.enter_context(serving(self.cloud))
        url = self._open.enter_context(serving_bucket(self.bucket))
        self.pods.names |= {"http://169.254.169.254": url, "https://storage.googleapis.com": url}
        self._kubelet.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever a test left behind goes away, so that the next module starts with nothing."""
        for stack in self._stacks:
            stack.run("cancel", "--yes")
            stack.run("destroy", "--yes", "--skip-preview")
        with self.memory.resources() as resources:
            resources.clear()
        eventually(lambda: not self._of_lost_clusters(), "what was in the clusters is gone")
        self._kubelet.stop()
        self._open.close()

    def grants(self, bucket: str, _permission: str = "") -> bool:
        """Whether the bucket's policy lets the server's pods read: https://cloud.google.com/storage/docs/access-control/iam-roles.

        The member is that of https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity.
        """
        pools = f"projects/{PROJECT_NUMBER}/locations/global/workloadIdentityPools/{PROJECT}.svc.id.goog"
        member = f"principal://iam.googleapis.com/{pools}/subject/ns/{NAMESPACE}/sa/tf-serving"
        wanted = {"bucket": bucket, "role": "roles/storage.objectViewer", "member": member}
        return any(wanted.items() <= binding["inputs"].items() for binding in self._made("storage/bucketIAMMember"))

    def _objects(self) -> list[str]:
        objects = (resource["inputs"] for resource in self._made("storage/bucketObject"))
        return [f"{bucket_object['bucket']}/{bucket_object['name']}" for bucket_object in objects]

    def _made(self, kind: str) -> list[Any]:
        with self.memory.resources() as resources:
            return [resource for resource in resources.values() if kind in resource["type"]]

    def _of_lost_clusters(self) -> list[Any]:
        core = client.CoreV1Api(self.api)
        return [*core.list_node().items, *core.list_namespace(label_selector=STACK).items]

    def stack(self, name: str, project: Path = CHECKOUT) -> Stack:
        """A stack that finds the stand-in as its gcp plugin, and the real Kubernetes provider."""
        stack = Stack(name, self.home / name, project=project)
        stack.home.mkdir()
        stack.programs = [bin_folder(CHECKOUT)] if with_real_gcp() else [STAND_IN, bin_folder(CHECKOUT)]
        stack.variables = {
            VARIABLE: str(self.memory.folder),
            # The real DNS endpoint of a cluster has a certificate that machines trust already.
            "SSL_CERT_FILE": str(self.control_plane.ca_file),
            "GOOGLE_APPLICATION_CREDENTIALS": str(application_default_credentials(self._endpoints, self.home)),
        }
        if with_real_gcp():
            # For previews, which never use it: the real plugin would ask Google about the credentials above.
            stack.variables["GOOGLE_OAUTH_ACCESS_TOKEN"] = "of-the-tests"
        stack.providers_config = self._endpoints | {"gcp:project": PROJECT, "gcp:zone": "us-central1-a"}
        stack.init()
        self._stacks.append(stack)
        return stack

    def stack_of_the_checkout(self, name: str) -> Stack:
        """A stack as its file in `stacks/` has it, with a model that needs no download."""
        stack = self.stack(name)
        content = yaml.safe_load((CHECKOUT / "stacks" / f"Pulumi.{name}.yaml").read_text())["config"]
        for key, value in content.items():
            package, _, setting = key.partition(":")
            if package == "shapebench":
                stack.config[setting] = value
            else:
                stack.providers_config[key] = value
        stack.config |= {"model": {"weights": "random"}, "load": SMOKE, "results": str(stack.results)}
        return stack

    @property
    def endpoints(self) -> dict[str, str]:
        """The way to the stand-in of Google's REST APIs, as the environment says it."""
        services = {
            key.removeprefix("gcp:").removesuffix("CustomEndpoint"): url for key, url in self._endpoints.items()
        }
        words = {re.sub("(?=[A-Z])", "_", service).upper(): url for service, url in services.items()}
        return {f"GOOGLE_{word}_CUSTOM_ENDPOINT": url for word, url in words.items()}

    def google(self) -> list[str]:
        """What there is in Google Cloud, by type and id."""
        with self.memory.resources() as resources:
            return sorted(resources)

    def generator_at_work(self) -> PodProcesses:
        """The load generator's pod, once requests are answered."""
        eventually(lambda: GENERATOR in self.pods.alive, "the load generator runs", within_s=120)
        eventually(lambda: re.search(r'"p50_ms": \d', self.pods.last.log(GENERATOR)), "requests are answered")
        return self.pods.last


def contents(api: client.ApiClient) -> set[tuple[str, str, str]]:
    """Kind, namespace and name of everything in the API server that a stack could have made."""
    found: set[tuple[str, str, str]] = set()
    for group in _GROUPS:
        for resource in _get(api, f"/{group}")["resources"]:
            if resource["kind"] in _KINDS and "/" not in resource["name"]:
                for kube_object in _get(api, f"/{group}/{resource['name']}")["items"]:
                    metadata = kube_object["metadata"]
                    if metadata["name"] not in _OF_EVERY_NAMESPACE:
                        found.add((resource["kind"], metadata.get("namespace", ""), metadata["name"]))
    return found


def _get(api: client.ApiClient, path: str) -> Any:
    request = api.param_serialize(
        "GET", path, auth_settings=["BearerToken"], header_params={"Accept": "application/json"}
    )
    answer = api.call_api(*request)
    return json.loads(answer.read())
