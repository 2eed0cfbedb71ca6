"""The images of this project's servers: one target each, with the command that starts it, and the packages of here."""

import json
import re
from pathlib import Path

import pytest

from serving.servers import server_named
from stacks.server.servers import EMBEDDED, ONNX_RUNTIME, OPENVINO, ServerFacts, server_in
from tools.pins import ROOT

DOCKERFILE = (ROOT / "serving/Dockerfile").read_text()
TARGETS = dict(re.findall(r"^FROM server AS (\S+)\nENTRYPOINT (\[.*\])$", DOCKERFILE, re.MULTILINE))
OURS = (EMBEDDED, ONNX_RUNTIME, OPENVINO)


def pins(name: str) -> dict[str, str]:
    text = Path(ROOT, f"tools/requirements/{name}.txt").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("facts", OURS, ids=lambda facts: facts.setting)
def test_each_server_has_a_target_that_starts_it_and_by_whose_name_a_stack_knows_it(facts: ServerFacts):
    command = json.loads(TARGETS[facts.name])
    # sys.executable is another path there.
    assert ["python", *(server_named(facts.name).executable() or [])[1:], "--bind_address=0.0.0.0"] == command
    assert server_in(f"docker.example/team/{facts.name}:0.1.0") == (facts.name, "0.1.0")


def test_there_is_no_other_target():
    assert set(TARGETS) == {facts.name for facts in OURS}


def test_no_server_runs_as_root():
    assert "\nUSER 65532:65532\n" in DOCKERFILE


def test_the_packages_are_in_the_versions_that_are_tested_here():
    own, tested = pins("serving"), pins("run")
    assert {"tensorflow", "onnxruntime", "openvino", "tf2onnx"} <= set(own)
    assert own == {name: tested[name] for name in own}
    assert not {"pulumi", "locust", "pandas"} & set(own)
