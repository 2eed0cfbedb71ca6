"""Merges requests that wait at the same time into one run of the model, by TF Serving's rules.

Requests join the open batch until one of the batch threads takes it, which may be once it is full or its oldest request
has waited `batch_timeout_micros`. A request that does not fit opens the next batch. At most `max_enqueued_batches`
wait, the open one counted; a request that would need one more is refused at once.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from serving.errors import Code, ServingError, invalid_argument
from serving.metrics import Metrics
from serving.model.signature import Outputs, Run, Tensors
from stacks.server.serving_variant import Batching


@dataclass(frozen=True)
class _Task:
    inputs: Tensors
    rows: int
    enqueued_s: float
    outputs: Future[Outputs] = field(default_factory=Future)


@dataclass
class _Batch:
    tasks: list[_Task] = field(default_factory=list)
    rows: int = 0


class Batcher:
    """Calls `run` with the merged inputs of several requests, from its own threads, until `close`."""

    def __init__(self, run: Run, parameters: Batching, metrics: Metrics) -> None:
        self._run = run
        self._parameters = parameters
        self._metrics = metrics
        self._changed = threading.Condition()
        # Never empty: the last batch is open, the others are full and wait for a thread.
        self._batches = deque([_Batch()])
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{index}", daemon=True)
            for index in range(parameters.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def __call__(self, inputs: Tensors) -> Outputs:
        """Run `inputs` as part of a batch and return this request's rows of every output.

        Raises INVALID_ARGUMENT if the request is larger than a batch, UNAVAILABLE if the queue is full.
        """
        task = _Task(inputs, _rows(inputs), time.monotonic())
        self._schedule(task)
        return task.outputs.result()

    def close(self) -> None:
        """Run the waiting batches, then end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _schedule(self, task: _Task) -> None:
        max_rows, max_batches = self._parameters.max_batch_size, self._parameters.max_enqueued_batches
        if task.rows > max_rows:
            raise invalid_argument(f"Task size {task.rows} is larger than maximum input batch size {max_rows}")
        with self._changed:
            if self._closed:
                raise ServingError(Code.UNAVAILABLE, "The server is shutting down")
            if self._batches[-1].rows + task.rows > max_rows:
                if len(self._batches) >= max_batches:
                    raise ServingError(
                        Code.UNAVAILABLE,
                        "The batch scheduling queue to which this task was submitted is full; currently "
                        f"{len(self._batches)} batches enqueued and max_enqueued_batches is {max_batches}",
                    )
                self._batches.append(_Batch())
            self._batches[-1].tasks.append(task)
            self._batches[-1].rows += task.rows
            self._changed.notify()

    def _work(self) -> None:
        while (batch := self._next_batch()) is not None:
            self._process(batch)

    def _next_batch(self) -> _Batch | None:
        with self._changed:
            while (remaining_s := self._remaining_s()) != 0:
                if self._closed:
                    return None
                self._changed.wait(remaining_s)
            batch = self._batches.popleft()
            if not self._batches:
                self._batches.append(_Batch())
            return batch

    def _remaining_s(self) -> float | None:
        """Seconds until the first batch is due; None while it is empty."""
        batch = self._batches[0]
        if not batch.tasks:
            return None
        if self._closed or len(self._batches) > 1 or batch.rows >= self._parameters.max_batch_size:
            return 0
        due_s = batch.tasks[0].enqueued_s + self._parameters.batch_timeout_micros / 1e6
        return max(due_s - time.monotonic(), 0)

    def _process(self, batch: _Batch) -> None:
        dequeued_s = time.monotonic()
        for task in batch.tasks:
            self._metrics.queuing_latency_us.observe((dequeued_s - task.enqueued_s) * 1e6)
        self._metrics.processed_batch_size.observe(batch.rows)
        self._metrics.wrapped_run_count.inc()
        try:
            results = _split(self._run(_merge(batch.tasks)), batch)
        except Exception as error:  # noqa: BLE001 - each request of the batch raises it, and this thread goes on
            for task in batch.tasks:
                task.outputs.set_exception(error)
        else:
            for task, outputs in zip(batch.tasks, results, strict=True):
                task.outputs.set_result(outputs)


def _rows(inputs: Tensors) -> int:
    sizes = {value.shape[0] if value.ndim else 0 for value in inputs.values()}
    if len(sizes) != 1 or 0 in sizes:
        raise invalid_argument("Batching Run() input tensors must have equal 0th-dimension size, of at least 1")
    return int(sizes.pop())


def _merge(tasks: Sequence[_Task]) -> Tensors:
    if len(tasks) == 1:
        return tasks[0].inputs
    first = tasks[0].inputs
    for name, value in first.items():
        if any(task.inputs[name].shape[1:] != value.shape[1:] for task in tasks):
            raise ServingError(
                Code.FAILED_PRECONDITION,
                f"Tensors with name '{name}' from different tasks have different shapes, so they cannot share a batch",
            )
    return {name: np.concatenate([task.inputs[name] for task in tasks]) for name in first}


def _split(outputs: Outputs, batch: _Batch) -> list[Outputs]:
    if len(batch.tasks) == 1:
        return [outputs]
    for name, value in outputs.items():
        if not value.ndim or value.shape[0] != batch.rows:
            raise ServingError(
                Code.FAILED_PRECONDITION,
                f"Batched output tensor '{name}' does not have as many rows as its inputs, so it cannot be split; "
                "serve this model without --enable_batching",
            )
    ends = np.cumsum([task.rows for task in batch.tasks])[:-1]
    parts = {name: np.split(value, ends) for name, value in outputs.items()}
    return [{name: part[index] for name, part in parts.items()} for index in range(len(batch.tasks))]
