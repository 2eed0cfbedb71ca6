import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import Code, ServingError
from serving.metrics import Metrics
from serving.model.batching import Batcher
from stacks.server.serving_variant import Batching


class DoublingModel:
    """A model that doubles its input, records the rows of every run, and can be blocked."""

    def __init__(self):
        self.rows = []
        self.started = threading.Semaphore(0)
        self.unblocked = threading.Event()
        self.unblocked.set()

    def __call__(self, inputs):
        self.rows.append(len(inputs["x"]))
        self.started.release()
        assert self.unblocked.wait(20)
        return {"y": inputs["x"] * 2}


def batcher_of(run, *, size=8, timeout_us=0, enqueued=100, threads=1, metrics=None):
    parameters = Batching(
        max_batch_size=size, batch_timeout_micros=timeout_us, max_enqueued_batches=enqueued, num_batch_threads=threads
    )
    return Batcher(run, parameters, metrics or Metrics("m"))


def rows(*values):
    return {"x": np.array(values, dtype=np.float32)[:, np.newaxis]}


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def waiting_rows(batcher):
    return [batch.rows for batch in batcher._batches]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(1, 3), st.sampled_from([0, 500]))
@settings(max_examples=25)
def test_every_request_gets_its_own_rows_back(sizes, threads, timeout_us):
    model = DoublingModel()
    batcher = batcher_of(model, size=5, timeout_us=timeout_us, threads=threads)
    requests = [rows(*(100 * number + row for row in range(size))) for number, size in enumerate(sizes)]
    with ThreadPoolExecutor(len(sizes)) as pool:
        answers = list(pool.map(batcher, requests))
    batcher.close()
    for request, answer in zip(requests, answers, strict=True):
        np.testing.assert_array_equal(answer["y"], request["x"] * 2)
    assert sum(model.rows) == sum(sizes)
    assert max(model.rows) <= 5


def test_waiting_requests_run_as_one_batch_up_to_max_batch_size():
    model = DoublingModel()
    batcher = batcher_of(model, size=4)
    model.unblocked.clear()
    with ThreadPoolExecutor(7) as pool:
        answers = [pool.submit(batcher, rows(0))]
        assert model.started.acquire(timeout=20)
        answers += [pool.submit(batcher, rows(number)) for number in range(1, 7)]
        wait_until(lambda: sum(waiting_rows(batcher)) == 6)
        model.unblocked.set()
        assert sorted(answer.result()["y"].item() for answer in answers) == [0, 2, 4, 6, 8, 10, 12]
    batcher.close()
    assert model.rows == [1, 4, 2]


def test_an_open_batch_waits_for_more_requests_until_its_timeout():
    model = DoublingModel()
    batcher = batcher_of(model, size=2, timeout_us=60_000_000)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batcher, rows(1))
        wait_until(lambda: waiting_rows(batcher) == [1])
        assert not model.rows
        second = pool.submit(batcher, rows(2))  # fills it
        assert (first.result(20)["y"].item(), second.result(20)["y"].item()) == (2, 4)
    batcher.close()
    assert model.rows == [2]


def test_a_batch_that_is_not_full_runs_after_its_timeout():
    model = DoublingModel()
    batcher = batcher_of(model, size=100, timeout_us=20_000, threads=2)
    assert batcher(rows(1))["y"].item() == 2
    batcher.close()
    assert model.rows == [1]


def test_a_full_queue_rejects_requests_and_recovers():
    model = DoublingModel()
    batcher = batcher_of(model, size=1, enqueued=2)
    model.unblocked.clear()
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(batcher, rows(0))]
        assert model.started.acquire(timeout=20)
        answers += [pool.submit(batcher, rows(number)) for number in (1, 2)]
        wait_until(lambda: waiting_rows(batcher) == [1, 1])
        with pytest.raises(ServingError, match="is full; currently 2 batches") as refused:
            batcher(rows(3))
        assert (refused.value.code, refused.value.http_status) == (Code.UNAVAILABLE, 503)
        model.unblocked.set()
        assert [answer.result()["y"].item() for answer in answers] == [0, 2, 4]
    assert batcher(rows(4))["y"].item() == 8
    batcher.close()


def test_a_request_larger_than_max_batch_size_is_rejected():
    batcher = batcher_of(DoublingModel(), size=2)
    with pytest.raises(ServingError, match="Task size 3 is larger than maximum input batch size 2") as refused:
        batcher(rows(1, 2, 3))
    assert refused.value.code is Code.INVALID_ARGUMENT
    assert batcher(rows(1, 2))["y"].tolist() == [[2], [4]]
    batcher.close()


def test_inputs_with_different_numbers_of_rows_are_rejected():
    batcher = batcher_of(DoublingModel())
    for inputs in ({"x": np.float32([1]), "z": np.float32([1, 2])}, {"x": np.array(1.0)}, {"x": np.zeros((0, 2))}):
        with pytest.raises(ServingError, match="equal 0th-dimension size"):
            batcher(inputs)
    batcher.close()


def test_a_failed_run_fails_only_the_requests_of_its_batch():
    def run(inputs):
        if inputs["x"][0] < 0:
            raise ServingError(Code.INTERNAL, "no")
        return {"y": inputs["x"]}

    batcher = batcher_of(run)
    with pytest.raises(ServingError, match="no"):
        batcher(rows(-1))
    assert batcher(rows(1))["y"].item() == 1
    batcher.close()


def test_an_output_that_cannot_be_split_fails_every_request_of_its_batch():
    model = DoublingModel()
    batcher = batcher_of(lambda inputs: {"y": model(inputs)["y"][:1]})
    model.unblocked.clear()
    with ThreadPoolExecutor(3) as pool:
        alone = pool.submit(batcher, rows(0))
        assert model.started.acquire(timeout=20)
        together = [pool.submit(batcher, rows(number)) for number in (1, 2)]
        wait_until(lambda: waiting_rows(batcher) == [2])
        model.unblocked.set()
        assert alone.result(20)["y"].item() == 0
        for answer in together:
            with pytest.raises(ServingError, match="not have as many rows as its inputs"):
                answer.result(20)
    batcher.close()


def test_close_answers_waiting_requests_and_rejects_later_ones():
    model = DoublingModel()
    batcher = batcher_of(model, size=10, timeout_us=60_000_000)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(batcher, rows(1))
        wait_until(lambda: waiting_rows(batcher) == [1])
        batcher.close()
        assert answer.result(20)["y"].item() == 2
    with pytest.raises(ServingError, match="shutting down"):
        batcher(rows(1))


def test_the_metrics_count_batches():
    metrics = Metrics("m")
    batcher = batcher_of(DoublingModel(), size=4, enqueued=4, metrics=metrics)
    batcher(rows(1, 2, 3))
    batcher.close()
    page = metrics.page().decode()
    assert ":tensorflow:serving:batching_session:wrapped_run_count 1.0" in page
    assert ":tensorflow:serving:batching_session:processed_batch_size_sum 3.0" in page
    assert ":tensorflow:serving:batching_session:queuing_latency_count 1.0" in page
