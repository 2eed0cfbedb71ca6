"""The plan of a load test, as it follows from the inputs that the engine sends."""

from pathlib import Path
from typing import Any

from provider.load_test_inputs import LoadTestInputs
from tests.support.load_test_inputs import load_test_inputs

URLS = {"server-1": "http://10.0.0.1:8501"}


def inputs(folder: Path, **serving: Any) -> LoadTestInputs:
    given = load_test_inputs(folder)
    return LoadTestInputs.parse(given | {"serving": given["serving"] | serving})


def test_the_counters_of_a_known_server_are_read_and_those_of_any_image_are_not_known(tmp_path: Path) -> None:
    known = inputs(tmp_path).plan(tmp_path, URLS)
    assert known.counter_urls == {"server-1": "http://10.0.0.1:8501/monitoring/prometheus/metrics"}
    # Even one that is called like a server of this project.
    image = {"server": "embedded", "server_args": ["{model}"], "rest_threads": None, "grpc_threads": None}
    plan = inputs(tmp_path, protocol="v2-rest", **image).plan(tmp_path, URLS)
    assert (plan.counter_urls, plan.grpc_threads, plan.protocol) == ({}, None, "v2-rest")
