"""A curve against a stack with Kubernetes' own HorizontalPodAutoscaler, fed by the metrics server, on a real node.

Servers, generator and control plane share two cores with whatever else runs there. So what is asserted is that the
autoscaler adds and takes away servers, that they are counted, and that the forecast is near. docs/planning.md has the
figures of quiet runs.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from analysis.results.schema.manifest import Manifest
from shapebench.cli import app
from stacks.load.load_profiles import TrafficCurve
from tests.engine.harness import Stack, stack_in_cluster
from tests.kubernetes.own_images import OwnImages
from tests.support.node.single_node import SingleNode

NAMESPACE = "replay-on-a-node"
MODEL, NODES = "table", 3
# The request has many instances, so that the servers compute most of what it takes, and the generator's core is no
# limit.
REQUEST = {"instances": 400 * [{"age": [40.0], "income": [0.0, 1.0, 2.0, 3.0], "country": [7]}]}
SEARCH = {"profile": "capacity", "lowestRps": 2, "highestRps": 1000, "precision": 0.1, "durationS": 90}
# The target is a share of all vCPUs of a node, of which a pod may use an eighth.
TARGET_PERCENT, CPU_LIMIT = 7, 0.25
LIMIT = "400ms"
# Shares of what one server certainly carries: for a minute and a half more than that, then little.
CURVE, DURATION_S = (0.3, 1.8, 1.8, 0.3, 0.3, 0.3), 300


@pytest.fixture(scope="module")
def stack(
    node: SingleNode, images: OwnImages, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    node.wait_for_metrics()
    settings, folder = images.settings(NAMESPACE, MODEL), tmp_path_factory.mktemp("stack")
    recorded = folder / "requests.jsonl"
    recorded.write_text(json.dumps(REQUEST))
    with stack_in_cluster("replay", folder, node.kubeconfig, settings, SEARCH, nodes=2) as stack:
        stack.config["model"] = {"path": str(models / MODEL)}
        stack.config["payload"] = {"path": str(recorded)}
        stack.config["serving"] |= {"cpuLimit": CPU_LIMIT}
        stack.config["objective"] = {"p95": LIMIT}
        yield stack


@pytest.fixture(scope="module")
def capacity(stack: Stack) -> Manifest:
    stack.must_up()
    [run] = stack.runs()
    return run


@pytest.fixture(scope="module")
def replay(stack: Stack, capacity: Manifest) -> Manifest:
    assert capacity.capacity
    assert capacity.capacity.rps.low
    certain_rps = capacity.capacity.rps.low / capacity.shape.nodes
    stack.config["shape"] = stack.config["shape"] | {"nodes": NODES}
    stack.config["autoscaler"] = {"targetPercent": TARGET_PERCENT, "stabilizationS": 30}
    rates_rps = [round(share * certain_rps, 2) for share in CURVE]
    stack.config["load"] = {"profile": "curve", "ratesRps": rates_rps, "durationS": DURATION_S}
    done = stack.run("up", "--yes", "--skip-preview", timeout_s=DURATION_S + 300)
    assert done.returncode == 0, done.stdout + done.stderr
    [run] = [run for run in stack.runs() if isinstance(run.load, TrafficCurve)]
    return run


# First, so that its time is not that of the replay.
def test_the_capacity_is_that_of_servers_that_stay(capacity: Manifest) -> None:
    assert capacity.autoscaler is None
    assert len(capacity.replicas) == 2


def test_servers_come_with_the_load_and_go_with_it(stack: Stack, replay: Manifest) -> None:
    assert replay.validity.reasons == ()
    assert replay.autoscaler
    assert replay.autoscaler.target_percent == TARGET_PERCENT
    command = ("replay", replay.run_id, "--p95", LIMIT, "--results", str(stack.results), "--json")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    measured = [step["measured"] for step in found["steps"]]
    assert measured[0] == 1
    assert max(measured) > 1
    assert measured[-1] < max(measured)
    assert found["servers"]["within_one"] > 0.9
    assert found["late"]["measured"]["value"] < 0.5


def test_a_replay_is_not_ranked_and_says_nothing_of_the_capacity(stack: Stack, replay: Manifest) -> None:
    command = ("verdict", "--p95", LIMIT, "--results", str(stack.results), "--json")
    found = json.loads(CliRunner().invoke(app, command).stdout)
    [[reason]] = [excluded["reasons"] for excluded in found["excluded"] if excluded["run_id"] == replay.run_id]
    assert "traffic along a curve says nothing about the capacity" in reason
