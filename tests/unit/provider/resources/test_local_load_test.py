"""A load test on this machine, with real Locust, without Pulumi."""

import os
from pathlib import Path

from analysis.results.store import ResultsStore
from provider.resource import Operation, Props
from provider.resources.local_load_test import LocalLoadTest


def test_the_manifest_has_this_machine_as_that_of_server_and_generator(
    load_test_inputs: Props, server_url: str
) -> None:
    inputs = load_test_inputs | {"platform": "local", "baseUrl": server_url, "restUrl": server_url}
    LocalLoadTest().create(inputs, Operation(print, print))
    (manifest,) = ResultsStore(inputs["results"]).scan().manifests
    assert manifest.validity.reasons == ()
    (server,) = manifest.replicas
    assert (server.name, server.node, server.kernel) == ("server", os.uname().nodename, os.uname().release)
    lines = [line.replace("\t", "") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    assert f"vendor_id: {server.cpu_vendor}" in lines
    assert f"model name: {server.cpu_model}" in lines
    assert manifest.generator.machine
    assert manifest.generator.machine.model_dump() == server.model_dump(exclude={"name"})
