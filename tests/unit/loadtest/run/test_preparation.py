"""Each request is answered once before a test, and a server that refuses one ends it before it began."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from loadtest.generator.clients.protocols import request_bodies
from loadtest.generator.payload import STRING, Payload, Request, Tensor, strings
from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.request_bodies import RequestBody
from loadtest.run.preparation import NotPreparedError, prepared_bodies
from tests.unit.loadtest.conftest import RIGHT, ScriptedServer
from tests.unit.loadtest.plans import write_plan

Serve = Callable[[Callable[[Any, int], None]], ScriptedServer]

TEXTS = ("good", "bad", "so so")
PAYLOAD = Payload(
    "serving_default",
    tuple(Request((Tensor("text", STRING, (1,), STRING, strings([text.encode()])),)) for text in TEXTS),
)


def prepared(
    folder: Path, url: str, cancelled: threading.Event | None = None, within_s: float = 30, **judged: Any
) -> list[RequestBody]:
    plan = LoadTestPlan.from_json(write_plan(folder, url).read_text())
    (folder / "payload").write_bytes(PAYLOAD.to_bytes())
    said: list[str] = []
    plan = replace(plan, work_dir=str(folder / "work"), **judged)
    return prepared_bodies(plan, folder / "payload", within_s, said.append, cancelled or threading.Event())


def test_every_request_comes_back_with_its_own_answer(serve: Serve, tmp_path: Path) -> None:
    answers = [json.dumps({"predictions": [[number, 0, 0]]}).encode() for number in range(3)]
    server = serve(lambda exchange, number: exchange.answer(answers[number]))
    bodies = prepared(tmp_path, server.url)
    expected = request_bodies("rest", PAYLOAD, "resnet")
    assert bodies == [replace(body, answer=answer) for body, answer in zip(expected, answers, strict=True)]
    assert [seen.body for seen in server.seen] == [body.content for body in expected], "once each"


def test_an_answer_that_nothing_is_compared_with_is_not_kept(serve: Serve, tmp_path: Path) -> None:
    server = serve(lambda exchange, _: exchange.answer(RIGHT))
    assert {body.answer for body in prepared(tmp_path, server.url, check="shape")} == {b""}
    assert len(server.seen) == 3


def test_a_refused_request_is_named_with_what_the_server_says(serve: Serve, tmp_path: Path) -> None:
    def script(exchange: Any, number: int) -> None:
        if number == 1:
            exchange.answer(b'{"error": "unknown word"}', status=400)
        else:
            exchange.answer(RIGHT)

    with pytest.raises(NotPreparedError, match=r'refused the request 2 of 3: http_400 \({"error": "unknown word"}\)$'):
        prepared(tmp_path, serve(script).url)


def test_a_server_that_never_answers_rightly_is_waited_for_so_long(serve: Serve, tmp_path: Path) -> None:
    server = serve(lambda exchange, _: exchange.answer(b"busy", status=503))
    said = r"gave no correct answer to request 1 of 3 within 1 s; the last error was http_503 \(busy\)$"
    with pytest.raises(NotPreparedError, match=said):
        prepared(tmp_path, server.url, within_s=1)


def test_a_cancelled_update_ends_it_and_leaves_no_process(serve: Serve, tmp_path: Path) -> None:
    cancelled = threading.Event()

    def script(exchange: Any, _: int) -> None:
        cancelled.set()
        exchange.answer(b"busy", status=503)

    with pytest.raises(NotPreparedError, match="because the update was cancelled"):
        prepared(tmp_path, serve(script).url, cancelled)
    children = [child.cmdline() for child in psutil.Process().children(recursive=True)]
    assert not [line for line in children if "loadtest.generator.prepare" in line]
