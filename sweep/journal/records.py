"""The records of a journal: each task with its result, and each resumption, as objects and as rows of the database."""

import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from enum import StrEnum
from typing import Any

from analysis.interval import Interval
from sweep.candidates import Candidate
from sweep.tasks import Destroy, DrawnCpus, Length, Measure, Measured, Task


class Result(StrEnum):
    """How a task ended. `refused` will fail again; `cut_off` ended with the process, and left no finished run.

    `lost`: a run was measured, but the results store no longer has it as it was recorded.
    """

    measured = "measured"
    destroyed = "destroyed"
    failed = "failed"
    refused = "refused"
    no_quota = "no_quota"
    cut_off = "cut_off"
    lost = "lost"


@dataclass(frozen=True)
class Record:
    """A task. Times are those of the sweep, in seconds since it was created, over all its processes.

    `number` and `end_number` count the beginnings and ends of all tasks, in their order, from 1. `result` is None while
    the task runs, and if the process ended before the task did. `leftovers` are what a stack that was destroyed has
    left.
    """

    number: int
    task: Task
    begun_at_s: float
    end_number: int | None = None
    ended_at_s: float | None = None
    result: Result | None = None
    measured: Measured | None = None
    why: str = ""
    leftovers: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        return self.result is None


@dataclass(frozen=True)
class Resumption:
    """The sweep was resumed. `number` is one of those that count the beginnings and ends of tasks."""

    number: int
    at_s: float


COLUMNS = (
    *("number", "stack", "candidate", "block", "length", "begun_at_s", "end_number", "ended_at_s", "result"),
    *("run_id", "value_rps", "low_rps", "high_rps", "instances", "drawn", "why", "leftovers"),
)


def row(record: Record) -> tuple[Any, ...]:
    """The values of `COLUMNS`."""
    task, run = record.task, record.measured
    measure = (task.candidate.key, task.block, task.length.value) if isinstance(task, Measure) else (None, None, None)
    return (
        *(record.number, task.stack, *measure, record.begun_at_s, record.end_number, record.ended_at_s),
        record.result and record.result.value,
        *((run.run_id, run.rps.value, run.rps.low, run.rps.high, run.instances) if run else (None,) * 5),
        run and run.drawn and json.dumps(astuple(run.drawn)),
        *(record.why, json.dumps(record.leftovers)),
    )


def record(values: tuple[Any, ...], candidates: Mapping[str, Candidate]) -> Record:
    """The record of a row; raises ValueError or KeyError where the row is not one that `row` makes."""
    number, stack, key, block, length, begun_at_s, end_number, ended_at_s, result, *measured, why, left = values
    run_id, value, low, high, instances, drawn = measured
    return Record(
        number,
        Destroy(stack) if key is None else Measure(candidates[key], block, Length(length)),
        begun_at_s,
        end_number,
        ended_at_s,
        result and Result(result),
        None if run_id is None else Measured(run_id, Interval(value, low, high), instances, drawn and _drawn(drawn)),
        why,
        tuple(json.loads(left)),
    )


def _drawn(text: str) -> DrawnCpus:
    pool, models, nodes = json.loads(text)
    return DrawnCpus(pool, models, tuple((node, cpu) for node, cpu in nodes))
