"""The program of a GKE stack, run by the recording engine: from its file, with some settings changed."""

import functools
from pathlib import Path
from typing import Any

from components.platforms.gke import GkePlatform, GkePlatformArgs
from stacks.files import load_settings, project_defaults, stack_names
from stacks.settings import Settings, parse_settings
from tests.unit.components.recorder import Recording, record

# Each stack of the checkout whose cluster is on GKE.
GKE_STACKS = [stack for stack in stack_names() if load_settings(stack).platform == "gke"]
# Machine type, vCPUs and nodes of those of the published experiment, by stack.
SHAPES = {
    "2cpu-4gb": ("e2-custom-2-4096", 2, 8),
    "4cpu-8gb": ("e2-custom-4-8192", 4, 4),
    "8cpu-16gb": ("e2-custom-8-16384", 8, 2),
    "8cpu-64gb": ("e2-highmem-8", 8, 2),
}
BASE: dict[str, Any] = {
    "platform": "gke",
    "shape": {"machineType": "e2-custom-8-16384", "nodes": 2},
    "serving": {"protocol": "rest", "interOp": 8},
    "load": {"profile": "seed"},
}


def settings_with(gke: dict[str, Any] | None = None, **changes: Any) -> Settings:
    defaults = project_defaults()
    return parse_settings(defaults | BASE | changes | {"gke": defaults["gke"] | (gke or {})})


def record_gke(settings: Settings, stack: str = "8cpu-16gb", *, preview: bool = False) -> Recording:
    args = GkePlatformArgs(stack, settings, Path("/checkout"), f"{settings.region}-a")
    return record(lambda: GkePlatform("gke", args), stack=stack, preview=preview)


@functools.cache
def record_stack(stack: str) -> Recording:
    """What the stack's file registers."""
    return record_gke(load_settings(stack), stack)
