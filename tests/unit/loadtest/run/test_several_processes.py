"""Several generator processes of one test, with real Locust against a real server: its master and its workers."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from loadtest.generator.loops.arrivals import Segment, along_segments, share_of
from loadtest.generator.plan import Limits, LoadTestPlan, load_plan
from loadtest.generator.request_bodies import RequestBody
from loadtest.result.outcome import LoadTestOutcome
from loadtest.run.progress import Progress
from loadtest.run.runner import run_load_test
from stacks.load.load_profiles import LoadProfile, OpenLoop
from tests.unit.loadtest.plans import OUTPUTS
from tests.unit.loadtest.scenarios import ResultOf, Scenarios, played_until_killed, short_closed_loop, started_caller

pytestmark = pytest.mark.real_time

BODY = b'{"instances": [[1, 2, 3]]}'
LIMITS = Limits(connect_timeout_s=1, response_timeout_s=5, server_gone_after_s=1, flush_interval_s=0.1)
WORKERS = ["locust-0", "locust-1"]

Serve = Callable[[Callable[[Any, int], None]], Any]

scenario = Scenarios(at_once=4)


def closed(url: str, work_dir: Path, **profile: float) -> LoadTestPlan:
    return replace(short_closed_loop("rest", url, work_dir, LIMITS, **profile), processes=2)


def opened(url: str, work_dir: Path, profile: LoadProfile, processes: int = 2) -> LoadTestPlan:
    load = load_plan(profile.plan_values)
    return LoadTestPlan(load, "rest", url, "resnet", str(work_dir), OUTPUTS, LIMITS, processes=processes)


def run(load: LoadTestPlan, on_progress: Callable[[Progress], None] = lambda _: None) -> LoadTestOutcome:
    return run_load_test(load, [RequestBody(BODY)], on_progress, threading.Event())


def at_once(exchange: Any, _: int) -> None:
    exchange.answer()


def slowly(exchange: Any, _: int) -> None:
    time.sleep(0.02)
    exchange.answer()


def generators_in(work_dir: Path) -> list[psutil.Process]:
    """All processes of the test that have not ended, the master first."""
    found = [
        process
        for process in psutil.process_iter(["cmdline", "cwd", "status"])
        if process.info["cwd"] == str(work_dir) and "locust" in (process.info["cmdline"] or ())
    ]
    return sorted(found, key=lambda process: process.pid)


def workers_of(rows: pa.Table) -> list[str]:
    return sorted(pc.unique(rows["worker"]).to_pylist())


def us(rows: pa.Table, column: str) -> Any:
    return rows[column].cast(pa.int64()).to_numpy()


@scenario
def uneven_users(serve: Serve, work_dir: Path) -> SimpleNamespace:
    """Three users on two workers."""
    server, progress = serve(slowly), []
    load = closed(server.url, work_dir, users=3, spawn_rate_per_s=3.0, warmup_s=30.0, duration_s=4.0)
    outcome = run(replace(load, server_pid=psutil.Process().pid), progress.append)
    return SimpleNamespace(server=server, progress=progress, outcome=outcome, rows=outcome.rows, work_dir=work_dir)


@pytest.fixture
def shared(result_of: ResultOf) -> Any:
    return result_of(uneven_users)


def test_a_test_of_several_processes_that_goes_well_is_valid(shared: Any) -> None:
    assert shared.outcome.reasons == ()
    assert shared.outcome.processes == 2


def test_every_request_that_the_server_saw_is_a_row_of_one_worker_and_the_master_counted_it(shared: Any) -> None:
    assert shared.rows.num_rows == len(shared.server.seen) == shared.outcome.counted_requests
    assert workers_of(shared.rows) == WORKERS


def test_users_are_divided_among_workers_and_each_keeps_its_connection(shared: Any) -> None:
    assert len({request.connection for request in shared.server.seen}) == 3
    # The last report may be of workers whose users have already ended.
    assert max(shown.users for shown in shared.progress) == 3
    held = shared.rows.filter(pc.equal(shared.rows["phase"], "hold"))
    counts = {counted["values"]: counted["counts"] for counted in pc.value_counts(held["worker"]).to_pylist()}
    assert max(counts.values()) / min(counts.values()) == pytest.approx(2, rel=0.3), "two users and one"


def test_one_user_of_one_worker_warms_up_until_the_server_is_warm(shared: Any) -> None:
    warmup = shared.rows.filter(pc.equal(shared.rows["phase"], "warmup"))
    assert len(workers_of(warmup)) == 1
    assert warmup.num_rows >= 15
    assert np.ptp(us(warmup, "start")) < 15e6, "of half a minute that it might have taken"


def test_phases_begin_for_all_workers_at_one_time(shared: Any) -> None:
    phases = shared.rows.sort_by("start")["phase"].to_pylist()
    assert phases == sorted(phases, key=["warmup", "ramp", "hold"].index)


def test_progress_is_of_all_workers_together(shared: Any) -> None:
    assert [shown.requests for shown in shared.progress] == sorted(shown.requests for shown in shared.progress)
    assert shared.progress[-1].requests > 0.7 * shared.rows.num_rows
    # The first one may be said before anything has begun.
    assert next(shown.phase for shown in shared.progress if shown.phase) == "warmup"


def test_each_worker_is_sampled_and_what_they_share_is_sampled_once(shared: Any) -> None:
    samples = shared.outcome.samples
    counts = {counted["values"]: counted["counts"] for counted in pc.value_counts(samples["subject"]).to_pylist()}
    assert counts.keys() == {"generator", "generator-1", "server", "machine"}
    assert 0 < shared.outcome.cpu_peak_percent < 200


def test_no_process_is_left(shared: Any) -> None:
    assert generators_in(shared.work_dir) == []


def on_schedule(**changes: Any) -> OpenLoop:
    fields: dict[str, Any] = {
        "rate_rps": 40.0, "arrivals": "poisson", "seed": 7, "max_in_flight": 21, "warmup_s": 2.0, "ramp_s": 1.0,
        "duration_s": 4.0,
    }  # fmt: skip
    return OpenLoop(**fields | changes)


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_the_shares_of_all_workers_are_the_schedule(workers: int) -> None:
    def schedule() -> Any:
        return along_segments([Segment("ramp", 0, 50, 2), Segment("hold", 50, 50, 5)], "poisson", 3)

    shares = [list(share_of(schedule(), worker, workers)) for worker in range(workers)]
    assert sorted(
        (arrival for share in shares for arrival in share), key=lambda arrival: arrival.intended_start_s
    ) == list(schedule())
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@scenario
def scheduled(serve: Serve, work_dir: Path) -> LoadTestOutcome:
    return run(opened(serve(at_once).url, work_dir, on_schedule()))


def test_workers_play_one_schedule_together_from_the_same_start(result_of: ResultOf) -> None:
    outcome = result_of(scheduled)
    assert outcome.reasons == ()
    rows = outcome.rows.filter(pc.not_equal(outcome.rows["phase"], "warmup")).sort_by("intended_start")
    arrivals = list(along_segments([Segment("ramp", 0, 40, 1), Segment("hold", 40, 40, 3)], "poisson", 7))
    intended_start_us = us(rows, "intended_start")
    assert rows.num_rows == len(arrivals)
    expected_us = np.array([arrival.intended_start_s for arrival in arrivals]) * 1e6
    assert np.abs((intended_start_us - intended_start_us[0]) - (expected_us - expected_us[0])).max() <= 2
    assert rows["phase"].to_pylist() == [arrival.phase for arrival in arrivals]
    assert rows["worker"].to_pylist() == [WORKERS[number % 2] for number in range(len(arrivals))]
    assert (us(rows, "start") >= intended_start_us).all()


def test_on_a_schedule_the_first_worker_warms_the_server_up(result_of: ResultOf) -> None:
    rows = result_of(scheduled).rows
    warmup = rows.filter(pc.equal(rows["phase"], "warmup"))
    assert workers_of(warmup) == ["locust-0"]
    assert pc.max(warmup["start"]).as_py() < pc.min(rows.filter(pc.not_equal(rows["phase"], "warmup"))["start"]).as_py()


def interrupted(serve: Serve, work_dir: Path, interrupt: Callable[[list[psutil.Process]], object]) -> Any:
    """The result of a long test whose processes, the master first, are passed to `interrupt` in the hold phase."""
    server = serve(slowly)
    seen_in_hold: list[Progress] = []

    def once(progress: Progress) -> None:
        if progress.phase == "hold":
            seen_in_hold.append(progress)
        # When the first one is said the hold may have begun that moment, with no request of its own.
        if len(seen_in_hold) == 2:
            interrupt(generators_in(work_dir))

    outcome = run(closed(server.url, work_dir, duration_s=600.0), once)
    return SimpleNamespace(outcome=outcome, seen=len(server.seen), left=generators_in(work_dir))


@scenario
def killed_worker(serve: Serve, work_dir: Path) -> Any:
    return interrupted(serve, work_dir, lambda processes: processes[-1].kill())


def test_a_worker_that_is_killed_ends_the_test_and_all_rows_are_kept(result_of: ResultOf) -> None:
    result = result_of(killed_worker)
    (reason,) = result.outcome.reasons
    assert reason.startswith("a process of the load generator was lost (locust-")
    assert reason.endswith("so the load was lower than planned; use fewer users if it ran out of memory, and run again")
    assert workers_of(result.outcome.rows) == WORKERS
    # What is lost is what the killed one had not written yet: of a tenth of a second, and what was under way.
    assert result.seen - 10 <= result.outcome.rows.num_rows <= result.seen
    assert result.outcome.counted_requests is None
    assert result.left == []


@scenario
def stopped_worker(serve: Serve, work_dir: Path) -> Any:
    return interrupted(serve, work_dir, lambda processes: processes[-1].suspend())


def test_a_worker_that_no_longer_answers_ends_the_test_and_is_ended(result_of: ResultOf) -> None:
    result = result_of(stopped_worker)
    assert "no longer answers" in result.outcome.reasons[0]
    assert workers_of(result.outcome.rows) == WORKERS
    assert result.left == []


@scenario
def stopped_workers(serve: Serve, work_dir: Path) -> Any:
    return interrupted(serve, work_dir, lambda processes: [worker.suspend() for worker in processes[1:]])


def test_when_no_worker_answers_any_more_the_test_ends_and_is_not_valid(result_of: ResultOf) -> None:
    result = result_of(stopped_workers)
    assert "no longer answers" in result.outcome.reasons[0] or "reported their totals" in result.outcome.reasons[0]
    assert workers_of(result.outcome.rows) == WORKERS
    assert result.left == []


@scenario
def killed_master(serve: Serve, work_dir: Path) -> Any:
    return interrupted(serve, work_dir, lambda processes: processes[0].kill())


def test_a_master_that_is_killed_leaves_its_workers_rows_and_no_worker(result_of: ResultOf) -> None:
    result = result_of(killed_master)
    assert result.outcome.reasons[0].startswith("the load generator crashed (SIGKILL)")
    assert workers_of(result.outcome.rows) == WORKERS
    assert result.seen - 4 <= result.outcome.rows.num_rows <= result.seen, "but for the requests under way"
    assert result.left == []


@scenario
def killed_caller(serve: Serve, work_dir: Path) -> list[psutil.Process]:
    caller = started_caller(closed(serve(at_once).url, work_dir, duration_s=600.0))
    processes = generators_in(work_dir)
    assert len(processes) == 3
    caller.kill()
    caller.communicate()
    _, left = psutil.wait_procs(processes, timeout=15)
    return left


def test_master_and_workers_end_by_themselves_when_their_caller_is_killed(result_of: ResultOf) -> None:
    assert result_of(killed_caller) == []


@scenario
def killed_caller_at_the_start(serve: Serve, work_dir: Path) -> list[psutil.Process]:
    """Locust is still importing itself, and has no workers yet."""
    caller = started_caller(closed(serve(at_once).url, work_dir, duration_s=600.0), wait_for_progress=False)
    while not (processes := generators_in(work_dir)):
        assert caller.poll() is None
    caller.kill()
    caller.communicate()
    psutil.wait_procs(processes, timeout=30)
    return generators_in(work_dir)


def test_a_generator_whose_caller_is_killed_before_it_has_started_ends_by_itself(result_of: ResultOf) -> None:
    assert result_of(killed_caller_at_the_start) == []


@scenario
def cancelled(serve: Serve, work_dir: Path) -> Any:
    hanging = []

    def hang_later(exchange: Any, number: int) -> None:
        if number < 40:
            exchange.answer()
        else:
            hanging.append(number)
            time.sleep(30)

    cancelled, server = threading.Event(), serve(hang_later)
    load = closed(server.url, work_dir, duration_s=600.0)

    def once(_: Progress) -> None:
        # Each worker has a request that is not answered.
        if len(hanging) == len(WORKERS):
            cancelled.set()

    outcome = run_load_test(load, [RequestBody(BODY)], once, cancelled)
    return SimpleNamespace(outcome=outcome, left=generators_in(work_dir))


def test_a_cancelled_test_ends_at_once_and_keeps_the_rows_of_all_workers(result_of: ResultOf) -> None:
    result = result_of(cancelled)
    rows = result.outcome.rows
    assert result.outcome.reasons[0].startswith("the test was cancelled")
    unfinished = rows.filter(pc.equal(rows["error"], "unfinished"))
    assert workers_of(unfinished) == WORKERS
    assert rows.num_rows == result.outcome.counted_requests == 42
    assert result.left == []


@scenario
def late_answers(serve: Serve, work_dir: Path) -> LoadTestOutcome:
    def late(exchange: Any, _: int) -> None:
        time.sleep(2.5)
        exchange.answer()

    return run(closed(serve(late).url, work_dir, spawn_rate_per_s=2.0, wait_s=0.0, duration_s=1.5))


def test_requests_in_flight_at_the_end_are_finished_and_counted(result_of: ResultOf) -> None:
    outcome = result_of(late_answers)
    assert outcome.rows["ok"].to_pylist() == [True, True], "one of each user, longer than the test"
    assert outcome.counted_requests == 2
    assert workers_of(outcome.rows) == WORKERS


@scenario
def killed_server(_: Serve, work_dir: Path) -> LoadTestOutcome:
    return played_until_killed(lambda url: closed(url, work_dir, duration_s=60.0), BODY)


def test_a_server_that_is_killed_is_noticed_by_a_worker_and_ends_the_test(result_of: ResultOf) -> None:
    outcome = result_of(killed_server)
    assert outcome.reasons[0].startswith("the server stopped answering")
    assert outcome.rows.num_rows == outcome.counted_requests
    assert (outcome.finished_at - outcome.started_at).total_seconds() < 30


@scenario
def terminated_master(serve: Serve, work_dir: Path) -> Any:
    return interrupted(serve, work_dir, lambda processes: processes[0].terminate())


def test_a_master_that_gets_a_sigterm_as_in_a_deleted_pod_keeps_all_rows(result_of: ResultOf) -> None:
    result = result_of(terminated_master)
    assert result.outcome.reasons == ("the test was interrupted (SIGTERM), so later requests are missing; run again",)
    assert result.outcome.counted_requests == result.outcome.rows.num_rows == result.seen
    assert result.left == []


# A worker looks the server's name up before it listens to its master, and other greenlets of it run meanwhile.
SLOW_LOOK_UP = """
import os
if os.path.basename(os.getcwd()) == "slow-start":
    import gevent
    from gevent.resolver.thread import Resolver

    look_up = Resolver.getaddrinfo

    def slowly(*arguments, **named):
        gevent.sleep(3)
        return look_up(*arguments, **named)

    Resolver.getaddrinfo = slowly
"""


@pytest.mark.parametrize("mode", ["open", "closed"])
def test_no_worker_is_told_to_begin_before_it_has_started(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_LOOK_UP)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    work_dir, url = tmp_path / "slow-start", serve(at_once).url
    load = {"open": opened(url, work_dir, on_schedule()), "closed": closed(url, work_dir, users=2, duration_s=2.0)}
    outcome = run(load[mode])
    assert outcome.reasons == ()
    assert workers_of(outcome.rows) == WORKERS
