"""The inputs of the load tests, on this machine and in a cluster."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from analysis.results.manifest import Model
from provider.resource import ResourceInputs
from stacks.load_profiles import LoadProfile
from stacks.serving_variant import ServingVariant
from stacks.shapes import NodeShape


class ServingInputs(ServingVariant):
    """The serving variant with its server and model: analysis.results.manifest.Serving, but for image and replicas."""

    server: str
    server_version: str
    model: Model


class LoadTestInputs(ResourceInputs):
    """What both have: server, load, and what the run is stored with. components.load_test documents the fields."""

    stack: str
    platform: Literal["local", "kubernetes", "gke"]
    base_url: str
    fingerprint: str
    serving: ServingInputs
    profile: LoadProfile
    shape: NodeShape
    region: str
    repeats: int
    processes: int
    rerun: str
    results: str
    work_dir: str


class LocalLoadTestInputs(LoadTestInputs):
    """components.load_test.local.LoadTestArgs, as the engine sends it."""

    rest_url: str


class ClusterLoadTestInputs(LoadTestInputs):
    """components.load_test.cluster.ClusterLoadTestRunArgs, as the engine sends it."""

    kubeconfig: Annotated[str | None, Field(repr=False)] = None
    context: str | None = None
    namespace: str
    selector: Mapping[str, str]
    replicas: int
    generator_image: str
    node_selector: Mapping[str, str]
    start_timeout_s: float
    scripts: str
    payload: str
    service_account: str
