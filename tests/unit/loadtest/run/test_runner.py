"""Real Locust against a real server, started and ended by the runner."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from analysis.results.run.counters import requests_by_replica
from analysis.results.schema.request_rows import REQUESTS_SCHEMA
from analysis.results.schema.samples import SAMPLES_SCHEMA
from loadtest.generator.plan import Limits, LoadTestPlan
from loadtest.generator.request_bodies import RequestBody
from loadtest.result.outcome import LoadTestOutcome
from loadtest.run.progress import Progress
from loadtest.run.runner import run_load_test
from tests.unit.loadtest.scenarios import ResultOf, Scenarios, played_until_killed, short_closed_loop, started_caller

pytestmark = pytest.mark.real_time

BODY = b'{"instances": [[1, 2, 3]]}'

# Short enough for a test.
LIMITS = Limits(connect_timeout_s=1, response_timeout_s=1, server_gone_after_s=1, flush_interval_s=0.1)

Serve = Callable[[Callable[[Any, int], None]], Any]

scenario = Scenarios(at_once=5)


def plan(url: str, work_dir: Path, limits: Limits = LIMITS, **profile: float | str) -> LoadTestPlan:
    return short_closed_loop("rest", url, work_dir, limits, **profile)


def run(load: LoadTestPlan, on_progress: Callable[[Progress], None] = lambda _: None) -> LoadTestOutcome:
    return run_load_test(load, [RequestBody(BODY)], on_progress, threading.Event())


def answer_correctly(exchange: Any, _: int) -> None:
    exchange.answer()


def locust_in(work_dir: Path) -> psutil.Process | None:
    """Locust is started in the folder of its test."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        if process.info["cwd"] == str(work_dir) and "locust" in (process.info["cmdline"] or ()):
            return process
    return None


@scenario
def constant_pauses(serve: Serve, work_dir: Path) -> list[float]:
    return pauses_s(plan(serve(answer_correctly).url, work_dir, users=1, wait_s=0.05, duration_s=5.0))


@scenario
def exponential_pauses(serve: Serve, work_dir: Path) -> list[float]:
    return pauses_s(
        plan(serve(answer_correctly).url, work_dir, users=1, wait_s=0.05, pauses="exponential", duration_s=5.0)
    )


def pauses_s(load: LoadTestPlan) -> list[float]:
    """From each answer to the next request of the only user."""
    rows = run(load).rows.sort_by("start").to_pylist()
    return [
        (after["start"] - before["start"]).total_seconds() - before["latency_us"] / 1e6
        for before, after in pairwise(rows)
    ]


def test_pauses_are_constant_or_exponential(result_of: ResultOf) -> None:
    constant, exponential = sorted(result_of(constant_pauses)), sorted(result_of(exponential_pauses))
    tenth, nine_tenths = len(constant) // 10, len(constant) * 9 // 10
    assert 0.05 <= constant[tenth] < constant[nine_tenths] < 0.08
    # A tenth of them is below 0.105 of the mean, and a tenth above 2.3 times the mean.
    assert exponential[len(exponential) // 10] < 0.02
    assert exponential[len(exponential) * 9 // 10] > 0.08


@scenario
def killed_caller(serve: Serve, work_dir: Path) -> psutil.Process:
    caller = started_caller(plan(serve(answer_correctly).url, work_dir, duration_s=600.0))
    locust = locust_in(work_dir)
    assert locust
    caller.kill()
    caller.communicate()
    psutil.wait_procs([locust], timeout=10)
    return locust


def test_locust_ends_by_itself_when_its_caller_is_killed(result_of: ResultOf) -> None:
    assert not result_of(killed_caller).is_running()


@scenario
def good(serve: Serve, work_dir: Path) -> SimpleNamespace:
    """Three users, and a server that takes 20 ms."""

    def slowly(exchange: Any, _: int) -> None:
        time.sleep(0.02)
        exchange.answer()

    server = serve(slowly)
    progress: list[Progress] = []
    load = plan(server.url, work_dir, users=3, spawn_rate_per_s=3.0, warmup_s=1.0)
    # The scripted server answers in a thread of this process.
    outcome = run(replace(load, server_pid=os.getpid(), counter_urls={"server": f"{server.url}/page"}), progress.append)
    return SimpleNamespace(server=server, progress=progress, outcome=outcome, rows=outcome.rows)


@pytest.fixture
def went_well(result_of: ResultOf) -> Any:
    return result_of(good)


def test_a_test_that_goes_well_is_valid(went_well: Any) -> None:
    assert went_well.outcome.reasons == ()


def test_the_servers_counters_are_read_before_the_first_request_and_after_the_last(went_well: Any) -> None:
    assert requests_by_replica(went_well.outcome.samples) == {"server": went_well.rows.num_rows}


def test_every_request_that_the_server_saw_is_a_row_and_locust_counted_it(went_well: Any) -> None:
    assert went_well.rows.num_rows == len(went_well.server.seen) == went_well.outcome.counted_requests
    assert went_well.rows.schema == REQUESTS_SCHEMA


def test_generator_server_and_machine_are_sampled_each_second_from_before_the_first_request(
    went_well: Any,
) -> None:
    samples, rows = went_well.outcome.samples, went_well.rows
    assert samples.schema == SAMPLES_SCHEMA
    first, last = pc.min(rows["start"]).as_py(), pc.max(rows["start"]).as_py()
    for subject in ("generator", "server", "machine"):
        cores = samples.filter(
            pc.and_(pc.equal(samples["subject"], subject), pc.equal(samples["quantity"], "cpu_cores"))
        )
        at = cores["at"].to_pylist()
        assert min(at) - first < timedelta(seconds=1.5)
        assert last - max(at) < timedelta(seconds=1.5)
        assert max(later - earlier for earlier, later in pairwise(at)) < timedelta(seconds=2)
        assert pc.min(cores["value"]).as_py() >= 0


def test_phases_come_in_order_with_their_numbers_of_users(went_well: Any) -> None:
    rows = went_well.rows.sort_by("start")
    phases = rows["phase"].to_pylist()
    assert phases == sorted(phases, key=["warmup", "ramp", "hold"].index)
    assert set(phases) == {"warmup", "ramp", "hold"}
    ramp_began = rows["start"][phases.index("ramp")].as_py().timestamp()
    seen = went_well.server.seen
    assert len({request.connection for request in seen if request.at < ramp_began}) == 1, "one user warms up"
    assert len({request.connection for request in seen}) == 3, "each user keeps its connection"


def test_phases_last_as_long_as_the_profile_says(went_well: Any) -> None:
    start_us = pc.cast(went_well.rows["start"], pa.int64())
    first = {
        phase: pc.min(start_us.filter(pc.equal(went_well.rows["phase"], phase))).as_py()
        for phase in ("warmup", "ramp", "hold")
    }
    assert first["ramp"] - first["warmup"] == pytest.approx(1_000_000, abs=500_000)
    assert first["hold"] - first["ramp"] == pytest.approx(1_000_000, abs=500_000)


def test_a_row_says_what_was_sent_and_answered(went_well: Any) -> None:
    rows, outcome = went_well.rows, went_well.outcome
    assert pc.all(rows["ok"]).as_py()
    assert pc.min(rows["latency_us"]).as_py() >= 20_000, "the server takes 20 ms"
    assert rows["intended_start"] == rows["start"]
    assert set(rows["status"].to_pylist()) == {200}
    assert set(rows["error"].to_pylist()) == {None}
    assert set(rows["request_bytes"].to_pylist()) == {len(BODY)}
    assert set(rows["response_bytes"].to_pylist()) == {len(b'{"predictions": [[0.25, 0.5, 0.25]]}')}
    assert outcome.started_at < pc.min(rows["start"]).as_py() < outcome.finished_at


def test_the_server_got_the_body_at_the_models_address(went_well: Any) -> None:
    seen = went_well.server.seen
    assert {(request.path, request.body) for request in seen} == {("/v1/models/resnet:predict", BODY)}


def test_progress_comes_while_it_runs(went_well: Any) -> None:
    progress = went_well.progress
    assert len(progress) >= 2
    assert progress[0].phase == "warmup"
    assert progress[0].users == 1
    assert progress[-1].users == 3
    assert progress[-1].total_s == 3.0
    assert [shown.requests for shown in progress] == sorted(shown.requests for shown in progress)
    assert progress[-1].p50_ms >= 20


def test_the_outcome_has_the_generators_cpu_peak_and_version(went_well: Any) -> None:
    assert 0 < went_well.outcome.cpu_peak_percent < 200
    assert went_well.outcome.locust_version


# What a server may do wrong, in the order in which one user meets it, with the row that comes of it.
MISDEEDS: list[tuple[str | None, int, Callable[[Any], None]]] = [
    (None, 200, lambda exchange: exchange.answer()),
    ("http_503", 503, lambda exchange: exchange.answer(b'{"error": "full"}', status=503)),
    ("http_500", 500, lambda exchange: exchange.answer(b"\xff\xfe", status=500)),
    ("http_302", 302, lambda exchange: exchange.answer(b"", status=302, Location="/elsewhere")),
    ("not_json", 200, lambda exchange: exchange.answer(b"<html>")),
    ("bad_shape", 200, lambda exchange: exchange.answer(b'{"predictions": [[0.1, 0.2]]}')),
    ("not_finite", 200, lambda exchange: exchange.answer(b'{"predictions": [[0.1, 0.2, NaN]]}')),
    ("bad_encoding", 200, lambda exchange: exchange.answer(Content_Encoding="strange")),
    ("bad_http", -1, lambda exchange: (exchange.answer(Content_Length="500"), exchange.hang_up())),
    ("connection_reset", -1, lambda exchange: exchange.hang_up()),
    ("timeout", -1, lambda _: time.sleep(1.5)),
    (None, 200, lambda exchange: exchange.answer()),
]


@scenario
def misdeeds(serve: Serve, work_dir: Path) -> LoadTestOutcome:
    def misbehave(exchange: Any, number: int) -> None:
        MISDEEDS[min(number, len(MISDEEDS) - 1)][2](exchange)

    return run(plan(serve(misbehave).url, work_dir, users=1, wait_s=0.01))


def test_every_kind_of_wrong_answer_is_a_row_with_its_class_of_error(result_of: ResultOf) -> None:
    outcome = result_of(misdeeds)
    rows = outcome.rows.sort_by("start").slice(0, len(MISDEEDS)).to_pylist()
    assert [(row["error"], row["status"]) for row in rows] == [(error, status) for error, status, _ in MISDEEDS]
    assert [row["ok"] for row in rows] == [error is None for error, _, _ in MISDEEDS]
    assert outcome.rows.num_rows == outcome.counted_requests
    assert outcome.reasons == (), "some requests failed, most did not"


@scenario
def late_answers(serve: Serve, work_dir: Path) -> LoadTestOutcome:
    def late(exchange: Any, number: int) -> None:
        time.sleep(4 if number else 0)
        exchange.answer()

    limits = replace(LIMITS, response_timeout_s=10)
    return run(plan(serve(late).url, work_dir, limits, users=1, spawn_rate_per_s=1.0, wait_s=0.0))


def test_a_request_in_flight_at_the_end_is_finished_and_counted(result_of: ResultOf) -> None:
    outcome = result_of(late_answers)
    assert outcome.rows["ok"].to_pylist() == [True, True], "the second is answered 2 s after the end"
    assert outcome.counted_requests == 2


@scenario
def killed_server(_: Serve, work_dir: Path) -> LoadTestOutcome:
    return played_until_killed(lambda url: plan(url, work_dir, duration_s=60.0), BODY)


def test_a_server_that_is_killed_is_noticed_and_its_rows_are_kept(result_of: ResultOf) -> None:
    outcome = result_of(killed_server)
    assert outcome.reasons[0].startswith("the server stopped answering")
    assert outcome.rows.num_rows == outcome.counted_requests
    assert pc.any(outcome.rows["ok"]).as_py()
    assert "connection_refused" in outcome.rows["error"].to_pylist()
    assert (outcome.finished_at - outcome.started_at).total_seconds() < 30


@scenario
def absent_server(_: Serve, work_dir: Path) -> LoadTestOutcome:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}"
        return run(plan(url, work_dir, limits=Limits(), duration_s=1.0, spawn_rate_per_s=100.0))


def test_a_server_that_is_gone_at_the_end_of_a_short_test_is_a_reason(result_of: ResultOf) -> None:
    stopped, failed, *_ = result_of(absent_server).reasons
    assert stopped.startswith("the server stopped answering")
    assert failed.endswith(
        "requests failed, most of them with connection_refused, so there are no latencies; check the server's log, and"
        " run again"
    )


@scenario
def cancelled_test(serve: Serve, work_dir: Path) -> SimpleNamespace:
    def hang_after_three(exchange: Any, number: int) -> None:
        if number < 3:
            exchange.answer()
        else:
            time.sleep(30)

    cancelled = threading.Event()
    load = plan(serve(hang_after_three).url, work_dir, Limits(response_timeout_s=60), users=1, duration_s=600.0)
    outcome = run_load_test(load, [RequestBody(BODY)], lambda _: cancelled.set(), cancelled)
    return SimpleNamespace(outcome=outcome, locust=locust_in(work_dir))


def test_a_cancelled_test_ends_at_once_and_keeps_its_rows(result_of: ResultOf) -> None:
    result = result_of(cancelled_test)
    assert result.outcome.reasons[0].startswith("the test was cancelled")
    assert result.outcome.rows["error"].to_pylist() == [None, None, None, "unfinished"]
    assert result.outcome.counted_requests == 4
    assert result.locust is None


@scenario
def killed_generator(serve: Serve, work_dir: Path) -> SimpleNamespace:
    server = serve(answer_correctly)

    def kill(_: Progress) -> None:
        if locust := locust_in(work_dir):
            locust.send_signal(signal.SIGKILL)

    return SimpleNamespace(server=server, outcome=run(plan(server.url, work_dir, duration_s=600.0), kill))


def test_a_generator_that_is_killed_leaves_its_rows_and_a_reason(result_of: ResultOf) -> None:
    result = result_of(killed_generator)
    assert result.outcome.reasons[0].startswith("the load generator crashed (SIGKILL)")
    assert result.outcome.counted_requests is None
    # What is lost is the rows since the last tenth of a second, and the requests under way.
    assert 0 < result.outcome.rows.num_rows <= len(result.server.seen) <= result.outcome.rows.num_rows + 20


@scenario
def failing_caller(serve: Serve, work_dir: Path) -> SimpleNamespace:
    def fail(_: Progress) -> None:
        raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError, match="the caller's own"):
        run(plan(serve(answer_correctly).url, work_dir, duration_s=600.0), fail)
    return SimpleNamespace(locust=locust_in(work_dir))


def test_an_error_of_the_caller_ends_the_generator(result_of: ResultOf) -> None:
    assert result_of(failing_caller).locust is None


def test_a_generator_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "locust.conf").write_text("no-such-option = 1\n")
    outcome = run(plan("http://127.0.0.1:1", tmp_path))
    assert outcome.reasons[0].startswith("the load generator crashed (exit code 2)")
    assert "no-such-option" in outcome.reasons[0]
    assert outcome.rows.num_rows == 0


def test_a_folder_with_rows_is_not_used_again(tmp_path: Path) -> None:
    (tmp_path / "locust-0.csv").touch()
    with pytest.raises(FileExistsError, match="give each test a folder of its own"):
        run(plan("http://127.0.0.1:1", tmp_path))
