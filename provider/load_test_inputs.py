"""The inputs that both load tests have, on this machine and in a cluster."""

from collections.abc import Mapping
from typing import Any, Literal

from provider.resource import ResourceInputs
from stacks.load_profiles import LoadProfile
from stacks.shapes import NodeShape


class LoadTestInputs(ResourceInputs):
    """Server, load, and what the run is stored with: components.load_test says what each field is."""

    stack: str
    platform: Literal["local", "kubernetes", "gke"]
    base_url: str
    fingerprint: str
    serving: Mapping[str, Any]
    profile: LoadProfile
    shape: NodeShape
    region: str
    repeats: int
    processes: int
    rerun: str
    results: str
    work_dir: str

    @property
    def protocol(self) -> str:
        """What the generator sends."""
        return str(self.serving["protocol"])

    @property
    def model_name(self) -> str:
        """The name under which the server knows the model."""
        return str(self.serving["model"]["name"])
