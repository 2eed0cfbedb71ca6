"""The container that prepares a test and waits for the model, as the process that it is in the generator's pod."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from tensorflow_serving.apis import predict_pb2

from loadtest.generator.clients.protocols import request_bodies
from loadtest.generator.plan import PLAN_VARIABLE, LoadTestPlan
from loadtest.generator.prepare import PAYLOAD_VARIABLE, PLAN_JSON_VARIABLE
from loadtest.generator.request_bodies import read_bodies
from loadtest.run.payload import payload_of
from stacks.server.models import RESNET50
from tests.unit.loadtest.conftest import RIGHT, Exchange, ScriptedServer
from tests.unit.loadtest.plans import write_plan
from tests.unit.loadtest.scripted_grpc import RIGHT as RIGHT_MESSAGE
from tests.unit.loadtest.scripted_grpc import ScriptedGrpcServer
from tools.pins import ROOT

PAYLOAD = payload_of(RESNET50)
(BODY,) = request_bodies("rest", PAYLOAD, "resnet")


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run it against a URL, as the pod does."""

    def run(url: str, within_s: float, payload: bytes = PAYLOAD.to_bytes()) -> subprocess.CompletedProcess[str]:
        plan = write_plan(tmp_path, url).read_text()
        (tmp_path / "payload").write_bytes(payload)
        return subprocess.run(
            [sys.executable, "-m", "loadtest.generator.prepare", str(within_s)],
            cwd=ROOT,
            env={
                PLAN_JSON_VARIABLE: plan,
                PAYLOAD_VARIABLE: str(tmp_path / "payload"),
                PLAN_VARIABLE: str(tmp_path / "written.json"),
                # The generator does not use a node's proxy.
                "http_proxy": "http://127.0.0.1:1",
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_the_generator_finds_the_plan_and_the_request_with_its_answer(ask, serve, tmp_path) -> None:
    server: ScriptedServer = serve(lambda exchange, _: exchange.answer(RIGHT))
    assert ask(server.url, 60).returncode == 0
    plan = LoadTestPlan.from_json((tmp_path / "written.json").read_text())
    assert plan == LoadTestPlan.from_json((tmp_path / "plan.json").read_text())
    assert read_bodies(Path(plan.bodies_path)) == [replace(BODY, answer=RIGHT)]


def test_a_file_that_is_no_payload_is_an_error(ask) -> None:
    ended = ask("http://127.0.0.1:1", 0, b"GIF89a")
    assert ended.returncode == 1
    assert "are not a payload" in ended.stderr


def test_it_ends_with_the_first_correct_answer_after_any_errors(ask, serve) -> None:
    def script(exchange: Exchange, number: int) -> None:
        match number:
            case 0:
                exchange.hang_up()
            case 1:
                exchange.answer(b"no such model", status=404)
            case 2:
                exchange.answer(b'{"predictions": [[1, 2]]}')
            case _:
                exchange.answer(RIGHT)

    server: ScriptedServer = serve(script)
    assert ask(server.url, 60).returncode == 0
    assert [seen.path for seen in server.seen] == ["/v1/models/resnet:predict"] * 4
    assert {seen.body for seen in server.seen} == {BODY.content}


def test_a_server_that_cannot_be_reached_is_reported_when_the_time_is_over(ask) -> None:
    ended = ask("http://127.0.0.1:1", 0)
    assert ended.returncode == 1
    assert "http://127.0.0.1:1 gave no correct answer within 0 s; the last error was " in ended.stderr
    assert "refused" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_server_that_answers_with_errors_is_reported_when_the_time_is_over(ask, serve) -> None:
    server: ScriptedServer = serve(lambda exchange, _: exchange.answer(b"{}", status=503))
    assert "the last error was http_503" in ask(server.url, 0).stderr


def test_over_grpc_it_ends_with_the_first_correct_answer_too(ask) -> None:
    def script(context: grpc.ServicerContext, number: int) -> predict_pb2.PredictResponse:
        if number == 0:
            context.abort(grpc.StatusCode.UNAVAILABLE, "still loading")
        return RIGHT_MESSAGE

    server = ScriptedGrpcServer(script)
    ended = ask(server.url, 60)
    server.stop()
    assert (ended.returncode, len(server.bodies)) == (0, 2), ended.stderr
