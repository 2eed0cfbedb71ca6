"""The order of the test modules, which process runs each, and how often these processes look for garbage."""

import gc
import os
from pathlib import Path

import pytest

from tests.support.priorities import TwoPriorities

# Run first, the longest before the others, as each takes from half a minute to seven: shorter modules then fill the
# other processes to the end.
_LONGEST = (
    "engine/gke/test_sweep_quota.py",
    "engine/gke/test_faults.py",
    "engine/gke/test_stacks.py",
    "engine/gke/test_model_access.py",
    "unit/provider/resources/test_cluster_load_test.py",
    "engine/test_killed_plugin.py",
    "unit/loadtest/generator/loops/test_open_loop.py",
    "engine/test_lifecycle.py",
    "engine/test_own_model_page.py",
    "engine/gke/test_sweep.py",
    "engine/load/test_models_in_cluster.py",
    "engine/load/test_stack_in_cluster.py",
    "engine/gke/test_policies.py",
    "engine/test_failures.py",
    "engine/gke/test_stand_ins.py",
    "engine/sweep/test_three_servers.py",
    "engine/sweep/test_local_sweep.py",
    "engine/gke/test_preflight.py",
    "engine/load/test_load_in_cluster.py",
    "engine/test_request_threads.py",
    "unit/provider/cluster/test_left_jobs.py",
    "unit/provider/resources/test_local_load_test.py",
    "engine/bucket/test_stack_with_a_bucket.py",
    "engine/gke/test_take_down.py",
    "engine/gke/test_differences.py",
    "unit/serving/test_hostile_requests.py",
)
_PLACES = {Path(__file__).parent / module: place for place, module in enumerate(_LONGEST)}

# What the tests import stays until the end. To look through it again and again, as Python does by itself, is a tenth of
# the CPU time of the unit tests.
gc.disable()

# Programs in Go, such as Pulumi and the API server, look for garbage a quarter as often. Their heaps are small.
os.environ.setdefault("GOGC", "400")

# Several tests run at once, and each would refuse its runs because of the others, or of what follows from them.
os.environ.setdefault("SHAPEBENCH_OTHER_PROGRAMS", "accepted")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _PLACES.get(item.path, len(_PLACES)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> TwoPriorities:
    return TwoPriorities(config, log)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    gc.enable()
