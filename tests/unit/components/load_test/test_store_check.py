"""On each platform the results store is checked first, and again whenever something will be measured again."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.load_test.store_check import store_check_args
from components.platform_args import PlatformArgs
from components.platforms.gke import GkePlatform, GkePlatformArgs
from components.platforms.kubernetes import KubernetesPlatform
from components.platforms.local import LocalPlatform
from stacks.files import project_defaults
from stacks.settings import Settings, parse_settings
from tests.unit.components.recorder import Recording, record

BASE: dict[str, Any] = {
    "shape": {"machineType": "e2-custom-2-4096", "nodes": 1},
    "serving": {"protocol": "rest", "interOp": 2},
    "load": {"profile": "smoke"},
}
# Components are nothing but a name for what is in them, and the preflight only asks.
STARTS_NOTHING = re.compile(
    r"shapebench:.*:(\w+Platform|Network|GkeCluster|ModelStore|TfServing|ClusterLoadTest|Preflight)"
)


def settings_with(platform: str = "local", **changes: Any) -> Settings:
    return parse_settings(project_defaults() | BASE | {"platform": platform} | changes)


def recorded(platform: str, checkout: Path) -> Recording:
    settings = settings_with(platform)
    if platform == "gke":
        args = GkePlatformArgs("s", settings, checkout, "us-central1-a")
        return record(lambda: GkePlatform("gke", args), stack="s", preview=True)
    made = {"local": LocalPlatform, "kubernetes": KubernetesPlatform}[platform]
    return record(lambda: made(platform, PlatformArgs("s", settings, checkout)), stack="s", preview=True)


@pytest.mark.parametrize("platform", ["local", "kubernetes", "gke"])
def test_nothing_is_started_before_the_store_is_checked(platform: str, tmp_path: Path) -> None:
    recording = recorded(platform, tmp_path)
    check = recording.one("results:StoreCheck")
    assert check.depends_on == frozenset()
    assert check.inputs["results"] == f"{tmp_path}/results"
    after = {check.urn}
    for resource in recording.resources:
        # A resource's provider is its URN with an identity behind it.
        if resource.depends_on & after or resource.provider.rpartition("::")[0] in after:
            after.add(resource.urn)
    started = {
        resource.urn: resource.typ for resource in recording.resources if not STARTS_NOTHING.fullmatch(resource.typ)
    }
    assert len(started) >= 4
    assert {typ for urn, typ in started.items() if urn not in after} == set()


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": {"machineType": "e2-custom-2-8192", "nodes": 1}},
        {"serving": {"protocol": "grpc", "interOp": 2}},
        {"load": {"profile": "smoke", "waitS": 0.5}},
        {"load": {"profile": "smoke", "repeats": 3}},
        {"load": {"profile": "smoke", "freshDeployment": True}},
        {"load": {"profile": "smoke", "processes": 2}},
        {"model": {"weights": "random"}},
        {"payload": {"check": "shape"}},
        {"rerun": "again"},
    ],
    ids=str,
)
def test_what_measures_again_checks_again(changes: dict[str, Any]) -> None:
    before, after = (store_check_args(PlatformArgs("s", settings_with(**each), Path("/c"))) for each in ({}, changes))
    assert before.measured != after.measured


def test_what_measures_nothing_checks_nothing() -> None:
    """Such as the protection that has to go before a destroy, when the store may be gone already."""
    gke = project_defaults()["gke"]
    before, after = (
        store_check_args(PlatformArgs("s", settings_with("gke", gke=gke | each), Path("/c")))
        for each in ({"protect": True}, {"protect": False, "expiresAfterH": 48})
    )
    assert before == after


def test_another_server_checks_again() -> None:
    images = ("tensorflow/serving:2.19.0", "tensorflow/serving:2.19.1")
    gke = project_defaults()["gke"]
    before, after = (
        store_check_args(PlatformArgs("s", settings_with("gke", gke=gke | {"servingImage": image}), Path("/c")))
        for image in images
    )
    assert before.measured != after.measured


def test_other_requests_in_the_same_file_are_measured_again_so_it_checks_again(tmp_path: Path) -> None:
    measured = []
    for image in (0, 1):
        np.save(tmp_path / "images.npy", np.full((1, 224, 224, 3), image, np.uint8))
        settings = settings_with(payload={"path": "images.npy"})
        measured.append(store_check_args(PlatformArgs("s", settings, tmp_path)).measured)
    assert measured[0] != measured[1]
