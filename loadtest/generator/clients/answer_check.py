"""Checks the answers to a request: outputs, types, shapes, every number finite, and equal to the right answer.

What an answer holds is read by the protocol's own module. Standard library only.
"""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from loadtest.generator.payload import FLOATS, STRING, Output
from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.request_bodies import RequestBody

# How many different right answers are kept: one for each batch size that a batching server may use. Where many
# requests are sent in turn, each has fewer.
_KEPT = 32
# In half precision an answer has few digits, and another order of additions changes the last of them: from one number
# to the next it is this share of them at most, and an answer may be as many numbers away.
_STEP, _STEPS = {"float16": 2**-10, "bfloat16": 2**-7}, 4


@dataclass(frozen=True)
class Answered:
    """The values of an output, as numbers, or as bytes where its type is STRING."""

    shape: tuple[int, ...]
    values: Sequence[Any]


class WrongAnswerError(Exception):
    """Its text is the class of error, such as `bad_shape`."""


def require_numbers(values: Sequence[Any], output: Output) -> None:
    """Raises WrongAnswerError for values in JSON that are no numbers of this output; true and false are none."""
    types = (bool,) if output.dtype == "bool" else (float, int)
    if not all(type(value) in types for value in values):
        raise WrongAnswerError("not_numbers")


# Reads an answer that should have these outputs; raises WrongAnswerError where it has other ones or other types.
Read = Callable[[bytes, Mapping[str, Output]], Mapping[str, Answered]]


class AnswerCheck:
    """Checks the answers to one request, of which `count` are sent in turn.

    A model answers equal requests with equal bytes, so comparing bytes is exact, and a hundred times cheaper than
    looking at a thousand numbers. Only right answers are kept.
    """

    def __init__(self, plan: LoadTestPlan, body: RequestBody, read: Read, count: int = 1) -> None:
        self._outputs = {output.name: output.of_instances(body.instances) for output in plan.outputs}
        self._is_off = plan.check == "off"
        self._answer = body.answer
        self._tolerance = plan.tolerance
        self._read = read
        self._right: deque[bytes] = deque([body.answer] if body.answer else [], maxlen=max(2, _KEPT // count))

    def error_of(self, content: bytes) -> str | None:
        """The class of error, or None where the answer is right."""
        if self._is_off or content in self._right:
            return None
        try:
            self._require_right(content)
        except WrongAnswerError as error:
            return str(error)
        self._right.appendleft(content)
        return None

    def _require_right(self, content: bytes) -> None:
        for name, found in self._read(content, self._outputs).items():
            output = self._outputs[name]
            if not output.fits(found.shape) or len(found.values) != math.prod(found.shape):
                raise WrongAnswerError("bad_shape")
            if output.dtype != STRING and not _are_finite(found.values):
                raise WrongAnswerError("not_finite")
            if self._answer:
                self._require_equal(output, found)

    def _require_equal(self, output: Output, found: Answered) -> None:
        right = self._right_values[output.name]
        if found.shape != right.shape:
            raise WrongAnswerError("bad_shape")
        if output.dtype not in FLOATS:
            if list(found.values) != list(right.values):
                raise WrongAnswerError("wrong_answer")
            return
        # Of the largest number: a probability of 1e-9 that is 2e-9 elsewhere is none that anybody would miss.
        tolerance = self._tolerance and max(self._tolerance, _STEPS * _STEP.get(output.dtype, 0))
        most = tolerance * max(map(abs, right.values), default=0.0) or tolerance
        if any(abs(own - known) > most for own, known in zip(found.values, right.values, strict=True)):
            raise WrongAnswerError("wrong_answer")

    @cached_property
    def _right_values(self) -> Mapping[str, Answered]:
        return self._read(self._answer, self._outputs)


def _are_finite(values: Sequence[Any]) -> bool:
    try:
        return all(map(math.isfinite, values))
    except OverflowError:  # a whole number beyond the range of a float
        return False
