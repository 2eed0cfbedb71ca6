"""The stack file of one update, in the sweep's folder: the stack's own file, changed for the candidate of the task."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from stacks.explain import PREFIX
from stacks.files import load_stack_file, settings_in
from stacks.sweep_place import SweepPlace
from sweep.lengths import load_of
from sweep.tasks import Measure
from tools.private_files import open_private

# The bounds of shapebench:gke.expiresAfterH, and an hour to destroy.
_LONGEST_LEASE_H, _TO_DESTROY_H = 336, 1
_GKE = f"{PREFIX}gke"


def config_in_sweep(own: Mapping[str, Any]) -> dict[str, Any]:
    """A stack's own configuration, by full key, as a sweep uses it; raises SettingsError.

    Where nodes get their CPU models by chance, each block is measured on other nodes, or the ranking would hang on
    which model came. A file that has `gke.freshNodes: false` is kept to.
    """
    gke = dict(own.get(_GKE) or {})
    if "freshNodes" in gke or not settings_in(own).draws_cpus:
        return dict(own)
    return {**own, _GKE: gke | {"freshNodes": True}}


def config_for(
    task: Measure, own: Mapping[str, Any], sweep_id: str, results: str, hours: float | None
) -> dict[str, Any]:
    """The stack's own configuration with the candidate, by full key; raises SettingsError.

    `hours` is the longest that the sweep may take.
    """
    own, candidate = config_in_sweep(own), task.candidate
    load, place = load_of(task), SweepPlace(sweep=sweep_id, block=task.block, candidate=candidate.key)
    changed: dict[str, Any] = {
        "serving": candidate.serving.model_dump(by_alias=True, exclude_none=True),
        "load": load.model_dump(by_alias=True) | {"freshDeployment": True},
        "rerun": place.rerun,
        "sweep": place.model_dump(by_alias=True),
        "results": results,
    }
    platform = str(own.get(f"{PREFIX}platform"))
    section = dict(own.get(PREFIX + platform) or {})
    image = own.get(f"{PREFIX}server")
    if candidate.server is not None and image:
        changed["server"] = dict(image) | {"image": candidate.server}
    elif candidate.server is not None:
        section["server" if platform == "local" else "servingImage"] = candidate.server
    if platform == "gke" and hours is not None:
        section["expiresAfterH"] = min(math.ceil(hours) + _TO_DESTROY_H, _LONGEST_LEASE_H)
    if section:
        changed[platform] = section
    return own | {PREFIX + key: value for key, value in changed.items()}


def write_stack_file(path: Path, stack: str, config: Mapping[str, Any] | None = None) -> None:
    """Write a stack's file to `path`, with another configuration if one is given; raises OSError.

    The other keys stay: without the salt of the stack's own file, the secrets in it could not be decrypted.
    """
    own = load_stack_file(stack)
    new = path.with_name(f"{path.name}.new")
    with open_private(new, "w") as file:
        yaml.safe_dump(own if config is None else own | {"config": dict(config)}, file)
    new.replace(path)
