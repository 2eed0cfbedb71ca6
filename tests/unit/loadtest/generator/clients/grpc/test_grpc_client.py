"""Real Locust asks real gRPC servers: the same rows, phases and reasons as over REST."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pyarrow.compute as pc
import pytest
from tensorflow_serving.apis import predict_pb2

from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from loadtest.generator.plan import Limits, LoadTestPlan, load_plan
from loadtest.generator.request_bodies import RequestBody
from loadtest.result.outcome import LoadTestOutcome
from loadtest.run.progress import Progress
from loadtest.run.runner import run_load_test
from stacks.load.load_profiles import ClosedLoop
from tests.unit.loadtest.plans import OUTPUTS
from tests.unit.loadtest.scenarios import ResultOf, Scenarios, short_closed_loop
from tests.unit.loadtest.scripted_grpc import RIGHT, Script, ScriptedGrpcServer, answer_rightly
from tools.pins import ROOT

pytestmark = pytest.mark.real_time

BODY = predict_pb2.PredictRequest(model_spec={"name": "resnet"}).SerializeToString()
LIMITS = Limits(connect_timeout_s=1, response_timeout_s=1, server_gone_after_s=1, flush_interval_s=0.1)

scenario = Scenarios(at_once=3)


@pytest.fixture(scope="module")
def result_of(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResultOf]:
    with scenario.played(request, tmp_path_factory) as result_of:
        yield result_of


def run(
    url: str,
    work_dir: Path,
    limits: Limits = LIMITS,
    report: Callable[[Progress], None] = lambda _: None,
    **profile: float,
) -> LoadTestOutcome:
    plan = short_closed_loop("grpc", url, work_dir, limits, **profile)
    return run_load_test(plan, [RequestBody(BODY)], report, threading.Event())


def refuses(code: grpc.StatusCode, details: str = "no") -> Script:
    def refuse(context: grpc.ServicerContext, _: int) -> predict_pb2.PredictResponse:
        context.abort(code, details)
        raise AssertionError

    return refuse


def slowly(_: grpc.ServicerContext, __: int) -> predict_pb2.PredictResponse:
    time.sleep(0.02)
    return RIGHT


@scenario
def good(work_dir: Path) -> SimpleNamespace:
    server = ScriptedGrpcServer(slowly)
    outcome = run(server.url, work_dir, users=3, spawn_rate_per_s=3.0, warmup_s=1.0)
    server.stop()
    return SimpleNamespace(server=server, outcome=outcome, rows=outcome.rows)


def test_every_request_that_the_server_saw_is_a_row_of_the_same_kind(result_of: ResultOf) -> None:
    went_well = result_of(good)
    rows = went_well.rows
    assert went_well.outcome.reasons == ()
    assert rows.num_rows == len(went_well.server.bodies) == went_well.outcome.counted_requests
    assert rows.schema == REQUESTS_SCHEMA
    assert set(rows["phase"].to_pylist()) == {"warmup", "ramp", "hold"}
    assert pc.all(rows["ok"]).as_py()
    assert pc.min(rows["latency_us"]).as_py() >= 20_000, "the server takes 20 ms"
    assert set(rows["status"].to_pylist()) == {0}, "gRPC's OK"
    assert set(rows["request_bytes"].to_pylist()) == {len(BODY)}
    assert set(rows["response_bytes"].to_pylist()) == {len(RIGHT.SerializeToString())}
    assert set(rows["backend"].to_pylist()) == {f"127.0.0.1:{went_well.server.port}"}


def test_each_user_has_a_connection_of_its_own_and_users_do_not_wait_for_one_another(
    result_of: ResultOf,
) -> None:
    went_well = result_of(good)
    assert len(set(went_well.server.connections)) == 3
    assert went_well.server.most_at_once > 1


def test_the_server_got_the_body_as_it_was_given(result_of: ResultOf) -> None:
    assert {body.SerializeToString() for body in result_of(good).server.bodies} == {BODY}


WRONG_SHAPE = predict_pb2.PredictResponse()
WRONG_SHAPE.CopyFrom(RIGHT)
WRONG_SHAPE.outputs["probabilities"].tensor_shape.dim[1].size = 2

EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED

# What a server may do wrong, in the order in which one user meets it, with the row that comes of it.
MISDEEDS: list[tuple[str | None, int, Script]] = [
    (None, 0, answer_rightly),
    ("grpc_unavailable", 14, refuses(grpc.StatusCode.UNAVAILABLE)),
    # As batching answers: batching_session.cc of tensorflow/serving.
    ("grpc_resource_exhausted", 8, refuses(EXHAUSTED, "Run() timeout exceeded while waiting in batching queue")),
    ("grpc_not_found", 5, refuses(grpc.StatusCode.NOT_FOUND)),
    ("bad_shape", 0, lambda *_: WRONG_SHAPE),
    ("timeout", -1, lambda *_: time.sleep(1.5) or RIGHT),  # type: ignore[func-returns-value]
    (None, 0, answer_rightly),
]


@scenario
def misdeeds(work_dir: Path) -> LoadTestOutcome:
    server = ScriptedGrpcServer(lambda context, number: MISDEEDS[min(number, len(MISDEEDS) - 1)][2](context, number))
    outcome = run(server.url, work_dir, users=1, wait_s=0.01)
    server.stop()
    return outcome


def test_every_kind_of_wrong_answer_is_a_row_with_its_class_of_error(result_of: ResultOf) -> None:
    outcome = result_of(misdeeds)
    rows = outcome.rows.sort_by("start").slice(0, len(MISDEEDS)).to_pylist()
    assert [(row["error"], row["status"]) for row in rows] == [(error, status) for error, status, _ in MISDEEDS]
    assert outcome.rows.num_rows == outcome.counted_requests
    assert outcome.reasons == (), "some requests failed, most did not"


@scenario
def few_threads(work_dir: Path) -> LoadTestOutcome:
    # kServerThreadpoolExhausted, server_cc.cc of grpc/grpc.
    refuse = refuses(EXHAUSTED, "Server Threadpool Exhausted")
    server = ScriptedGrpcServer(lambda context, number: (answer_rightly if number else refuse)(context, number))
    plan = replace(short_closed_loop("grpc", server.url, work_dir, LIMITS), grpc_threads=8)
    outcome = run_load_test(plan, [RequestBody(BODY)], lambda _: None, threading.Event())
    server.stop()
    return outcome


def test_a_call_that_found_no_thread_has_its_own_error_and_makes_the_run_invalid(result_of: ResultOf) -> None:
    outcome = result_of(few_threads)
    refused = outcome.rows.filter(pc.invert(outcome.rows["ok"])).to_pylist()
    assert [(row["error"], row["status"]) for row in refused] == [("grpc_no_thread", 8)]
    (reason,) = outcome.reasons
    assert reason == (
        f"the server ran out of gRPC threads (--grpc_max_threads 8) and refused 1 of {outcome.rows.num_rows} requests,"
        " so the figures show this limit and not the server's speed; end other clients of the server, send less if"
        " calls timed out, and run again"
    )


@scenario
def full_server(work_dir: Path) -> LoadTestOutcome:
    server = ScriptedGrpcServer(refuses(grpc.StatusCode.UNAVAILABLE))
    outcome = run(server.url, work_dir, duration_s=4.0, spawn_rate_per_s=9.0)
    server.stop()
    return outcome


def test_a_server_that_answers_unavailable_is_not_gone(
    result_of: ResultOf,
) -> None:
    (reason,) = result_of(full_server).reasons
    assert reason.endswith(
        "requests failed, most of them with grpc_unavailable, so there are no latencies; check the server's log, and"
        " run again"
    )


@scenario
def stopped_server(work_dir: Path) -> LoadTestOutcome:
    server = ScriptedGrpcServer(answer_rightly)

    def stop(progress: Progress) -> None:
        if progress.requests:
            server.stop()

    return run(server.url, work_dir, report=stop, duration_s=60.0)


def test_a_server_that_stops_is_noticed_and_its_rows_are_kept(result_of: ResultOf) -> None:
    outcome = result_of(stopped_server)
    assert outcome.reasons[0].startswith("the server stopped answering")
    assert outcome.rows.num_rows == outcome.counted_requests
    assert pc.any(outcome.rows["ok"]).as_py()
    assert "grpc_unavailable" in outcome.rows["error"].to_pylist()


@scenario
def unknown_name(work_dir: Path) -> LoadTestOutcome:
    return run("grpc://no-such-server.invalid:8500", work_dir, duration_s=1.0, spawn_rate_per_s=100.0)


def test_a_name_that_cannot_be_resolved_is_a_class_of_error(result_of: ResultOf) -> None:
    rows = result_of(unknown_name).rows
    assert set(rows["error"].to_pylist()) == {"name_not_resolved"}
    assert set(rows["status"].to_pylist()) == {-1}


@scenario
def interrupted_call(work_dir: Path) -> LoadTestOutcome:
    server = ScriptedGrpcServer(lambda _, number: RIGHT if number < 3 else time.sleep(30))
    fields: dict[str, Any] = {"users": 1, "spawn_rate_per_s": 1.0, "wait_s": 0.0, "warmup_s": 0.0, "duration_s": 600.0}
    cancelled = threading.Event()
    load = load_plan(ClosedLoop(**fields).plan_values)
    plan = LoadTestPlan(load, "grpc", server.url, "resnet", str(work_dir), OUTPUTS)
    outcome = run_load_test(plan, [RequestBody(BODY)], lambda _: cancelled.set(), cancelled)
    server.stop()
    return outcome


def test_a_call_in_flight_when_the_test_is_cancelled_is_cut_off_and_recorded(result_of: ResultOf) -> None:
    outcome = result_of(interrupted_call)
    assert outcome.reasons[0].startswith("the test was cancelled")
    assert outcome.rows["error"].to_pylist() == [None, None, None, "unfinished"]


# Two users send three requests each to a name of two replicas. gRPC under gevent is for a whole process.
TWO_USERS = """
from gevent import monkey; monkey.patch_all()
import json, socket, sys
from loadtest.generator.clients.grpc.grpc_client import grpc_clients
from loadtest.generator.plan import ClosedLoopPlan, LoadTestPlan
from loadtest.generator.request_bodies import RequestBody
from tests.unit.loadtest.plans import OUTPUTS
body, port = bytes.fromhex(sys.argv[1]), int(sys.argv[2])
looked_up = []
socket.getaddrinfo = lambda name, *_, **__: looked_up.append(name) or [
    (0, 0, 0, "", (f"127.0.0.{last}", port)) for last in (3, 2, 2)
]
load = ClosedLoopPlan(mode="closed", users=2, spawn_rate_per_s=1, wait_s=0, warmup_s=0, duration_s=1)
new = grpc_clients(LoadTestPlan(load, "grpc", f"grpc://headless:{port}", "resnet", "", OUTPUTS), [RequestBody(body)])
users = [new(), new()]
answers = [user.predict() for _ in range(3) for user in users]
print(json.dumps([[[answer.error, answer.backend] for answer in answers], looked_up]))
"""


def test_requests_go_to_all_replicas_in_turn_and_each_row_names_its_own() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.2", 0))
        port = reserved.getsockname()[1]
    replicas = [ScriptedGrpcServer(answer_rightly, f"127.0.0.{last}:{port}") for last in (2, 3)]
    command = [sys.executable, "-c", TWO_USERS, BODY.hex(), str(port)]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60).stdout
    answers, looked_up = json.loads(printed)
    for replica in replicas:
        replica.stop()
    assert {error for error, _ in answers} == {None}
    assert looked_up == ["headless"], "once for all users"
    assert [backend for _, backend in answers] == [f"127.0.0.{last}:{port}" for last in (2, 3, 3, 2, 2, 3)]
    assert [len(replica.bodies) for replica in replicas] == [3, 3]
    assert [len(set(replica.connections)) for replica in replicas] == [2, 2], "a connection a user and replica"
