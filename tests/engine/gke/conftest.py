"""For each module here, a Google Cloud in a folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from tests.engine.gke.world import REST_URL, World, contents
from tests.engine.process_pods import ProcessPods
from tests.support.kubernetes.control_plane import ControlPlane


@pytest.fixture(scope="module")
def world(
    control_plane: ControlPlane,
    api: client.ApiClient,
    pods: ProcessPods,
    server_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    home: Path = tmp_path_factory.mktemp("world")
    before = contents(api)
    pods.names[REST_URL] = server_url
    # The servers' pods have addresses and no processes: their counters are asked for at a port that nobody has.
    pods.names["http://10.20."] = "http://127.0.0.1:1/"
    with World(home, control_plane, api, pods) as world:
        yield world
    assert contents(api) == before, "the tests before left this in the API server"
