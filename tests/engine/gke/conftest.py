"""One Kubernetes control plane for all tests here, and for each module a Google Cloud in a folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client, config

from tests.engine.gke.world import World, contents
from tools.kubernetes.binaries import kubernetes_is_installed
from tools.kubernetes.control_plane import ControlPlane
from tools.pins import ROOT


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    if not kubernetes_is_installed(ROOT):
        pytest.fail("Kubernetes' servers are missing or outdated; run `tools/setup --tier kubernetes`")
    with ControlPlane(tmp_path_factory.mktemp("control-plane") / "data") as control_plane:
        yield control_plane


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(str(control_plane.kubeconfig)) as api:
        yield api


@pytest.fixture(scope="module")
def world(
    control_plane: ControlPlane, api: client.ApiClient, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    home: Path = tmp_path_factory.mktemp("world")
    before = contents(api)
    with World(home, control_plane, api) as world:
        yield world
    assert contents(api) == before, "the tests before left this in the API server"
