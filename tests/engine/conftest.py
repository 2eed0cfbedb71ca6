"""A stack of its own for each test module: a backend on disk, ports that are free, a short load."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.harness import SMOKE, Stack, free_port, servers_on


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Stack]:
    name = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    home = tmp_path_factory.mktemp(name)
    stack = Stack(name, home)
    stack.config = {
        "platform": "local",
        "shape": {"machineType": "e2-custom-2-4096", "nodes": 1},
        "serving": {"protocol": "rest", "interOp": 2},
        "load": SMOKE,
        "model": {"weights": "random"},
        "local": {"server": "embedded", "restPort": free_port(), "grpcPort": free_port()},
        "results": str(stack.results),
    }
    stack.init()
    yield stack
    stack.run("cancel", "--yes")
    stack.run("destroy", "--yes", "--skip-preview")
    for process in servers_on(stack.config["local"]["restPort"]):
        os.kill(process.pid, signal.SIGKILL)
