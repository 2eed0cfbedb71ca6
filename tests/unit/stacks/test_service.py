"""A wrong input of a service's load test is one clear sentence, in the names that a program has."""

from typing import Any

import pytest

from stacks.explain import SettingsError
from stacks.service import parse_service

GOOD: dict[str, Any] = {
    "service": "recommender",
    "url": "http://10.0.0.5:8080",
    "model": {"name": "ranker"},
    "shape": {"machineType": "n4-standard-4", "nodes": 2},
    "load": {"profile": "capacity"},
}


def test_a_service_has_the_defaults_of_a_stack() -> None:
    settings = parse_service(GOOD)
    assert (settings.region, settings.results, settings.rerun) == ("us-central1", "results", "")
    assert (settings.load.quantile, settings.load.latency_ms) == (0.99, 500)  # type: ignore[union-attr]
    assert (settings.protocol, settings.base_url) == ("v2-rest", GOOD["url"])
    assert settings.shape.nodes == 2


def test_an_objective_replaces_the_default_one() -> None:
    load = parse_service(GOOD | {"objective": {"p95": "80ms", "errors": "1%"}}).load
    assert (load.quantile, load.latency_ms, load.error_ratio) == (0.95, 80, 0.01)  # type: ignore[union-attr]


def test_over_grpc_requests_go_to_the_grpc_address() -> None:
    settings = parse_service(GOOD | {"protocol": "v2-grpc", "grpcAddress": "10.0.0.5:8081"})
    assert (settings.base_url, settings.url) == ("grpc://10.0.0.5:8081", GOOD["url"])


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"service": "two words"}, "service is 'two words', which is not of the form"),
        ({"url": "https://10.0.0.5"}, "url is 'https://10.0.0.5', which is not of the form"),
        ({"url": "http://10.0.0.5/v2"}, "The address of its REST API, without a path"),
        ({"protocol": "soap"}, "protocol is 'soap', which is none of"),
        ({"protocol": "v2-grpc"}, "protocol is v2-grpc, but grpcAddress is not set"),
        ({"grpcAddress": "10.0.0.5:1"}, "grpcAddress is set, but protocol is v2-rest"),
        ({"model": {}}, "model.name is missing"),
        ({"model": {"name": "ranker", "path": "models/ranker"}}, "model.path is not a setting"),
        ({"model": {"name": "r", "ranges": {"x": [1.0, 0.0]}}}, "ranges.x is 1 to 0, which holds no value"),
        ({"shape": {"machineType": "n4-standard-5", "nodes": 1}}, "shape.machineType"),
        ({"shape": {"machineType": "n4-standard-4", "nodes": 0}}, "shape.nodes is 0, which is below 1"),
        ({"load": {"profile": "rush"}}, "load.profile is 'rush', which is no load profile"),
        ({"load": {"profile": "capacity", "latencyMs": 5}}, "load.latencyMs is set, but the objective of a search"),
        ({"load": {"profile": "smoke", "pods": 2}}, "load.pods is 2, but the machine that runs `pulumi up`"),
        ({"load": {"profile": "smoke", "freshDeployment": True}}, "load.freshDeployment is true, but nothing here can"),
        ({"load": {"profile": "open", "rateRps": 1e4}}, "load.rateRps is 10000"),
        ({"objective": {"p99": "fast"}}, "objective.p99: 'fast' is not a latency"),
        ({"payload": {"tolerance": 2.0}}, "payload.tolerance is 2.0"),
        ({"server": {"name": "mine"}}, "server.version is missing"),
        ({"serving": {"interOp": 2}}, "serving is not a setting"),
        ({"startTimeoutS": 0.0}, "startTimeoutS is 0.0, which is not above 0"),
    ],
)
def test_a_wrong_input_is_named(inputs: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_service(GOOD | inputs)
    assert said in str(refused.value)
    assert "shapebench:" not in str(refused.value)
    assert "pulumi config" not in str(refused.value)
