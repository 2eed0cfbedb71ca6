"""The inputs that both load tests have, on this machine and in a cluster."""

from typing import Literal

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
    """Server, load, and what the run is stored with: components.load_test says what each field is."""

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
