"""An answer is compared with the right one: outputs, types, shapes, and numbers within the tolerance."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.clients.rest.answer import read_rest
from loadtest.generator.payload import Output
from tests.unit.loadtest.plans import check_of_outputs

NUMBERS = [Output("out", "float32", (None, None))]
LABELS = [Output("score", "float32", (None,)), Output("label", "string", (None,)), Output("id", "int64", (None,))]


def answer(predictions: object) -> bytes:
    return json.dumps({"predictions": predictions}).encode()


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=6),
    st.integers(0, 5),
    st.floats(-2, 2).filter(lambda times: abs(abs(times) - 1) > 0.01),
)
def test_a_number_may_differ_by_the_tolerance_times_the_largest(right: list[float], at: int, times: float) -> None:
    largest = max(map(abs, right)) or 1.0
    other = list(right)
    other[at % len(right)] += times * 0.01 * largest
    check = check_of_outputs(NUMBERS, read_rest, answer([right]), tolerance=0.01)
    assert check.error_of(answer([other])) == (None if abs(times) < 1 or largest < 1e-300 else "wrong_answer")


@pytest.mark.parametrize(("dtype", "step"), [("float16", 2**-10), ("bfloat16", 2**-7)])
@pytest.mark.parametrize(
    ("tolerance", "steps", "error"),
    [(1e-3, 4, None), (1e-3, 5, "wrong_answer"), (0.5, 5, None), (0.0, 0, None), (0.0, 1, "wrong_answer")],
)
def test_in_half_precision_a_number_may_be_four_away_unless_none_may_differ(
    dtype: str, step: float, tolerance: float, steps: int, error: str | None
) -> None:
    check = check_of_outputs([Output("out", dtype, (None, 2))], read_rest, answer([[0.25, 1]]), tolerance=tolerance)
    assert check.error_of(answer([[0.25, 1 + steps * step]])) == error


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({}, None),
        ({"score": 0.5001}, None),
        ({"score": 0.52}, "wrong_answer"),
        ({"label": "dog"}, "wrong_answer"),
        ({"label": {"b64": "Y2F0"}}, None),
        ({"id": 4}, "wrong_answer"),
        ({"id": [3]}, "bad_shape"),
    ],
)
def test_text_and_whole_numbers_are_equal_or_wrong(other: dict[str, Any], error: str | None) -> None:
    right = {"score": 0.5, "label": "cat", "id": 3}
    check = check_of_outputs(LABELS, read_rest, answer([right]))
    assert check.error_of(answer([right | other])) == error


def test_a_shape_that_the_model_leaves_open_is_that_of_the_right_answer() -> None:
    check = check_of_outputs(NUMBERS, read_rest, answer([[1, 2, 3]]))
    assert check.error_of(answer([[1, 2]])) == "bad_shape"


def test_every_wrong_byte_of_an_answer_is_found() -> None:
    """But for those that change nothing, such as a digit far behind the point."""
    right = answer([[0.125, 0.25, 3.5]])
    check = check_of_outputs(NUMBERS, read_rest, right, tolerance=0.0)
    for at in range(len(right)):
        for bit in range(8):
            other = right[:at] + bytes([right[at] ^ 1 << bit]) + right[at + 1 :]
            try:
                same = json.loads(other) == json.loads(right)
            except ValueError:
                same = False
            assert (check.error_of(other) is None) == same, other


@pytest.mark.parametrize(
    ("judged", "errors"),
    [
        ({}, [None, "wrong_answer", "bad_shape", "not_json"]),
        ({"check": "shape"}, [None, None, "bad_shape", "not_json"]),
        ({"check": "off"}, [None, None, None, None]),
    ],
)
def test_a_stack_says_how_strict_it_is(judged: dict[str, Any], errors: list[str | None]) -> None:
    outputs = [Output("out", "float32", (1, 2))]
    right = answer([[1, 2]]) if judged.get("check", "values") == "values" else b""
    check = check_of_outputs(outputs, read_rest, right, **judged)
    contents = [answer([[1, 2]]), answer([[1, 3]]), answer([[1]]), b"{"]
    assert [check.error_of(content) for content in contents] == errors


def test_an_answer_is_looked_at_once_and_a_wrong_one_each_time() -> None:
    looked_at = []

    def read(content: bytes, outputs: Any) -> Any:
        looked_at.append(content)
        return read_rest(content, outputs)

    right, close, wrong = answer([[1, 2]]), answer([[1, 2.0001]]), answer([[1, 9]])
    check = check_of_outputs(NUMBERS, read, right)
    for content in (right, close, wrong, right, close, wrong):
        check.error_of(content)
    assert looked_at == [close, right, wrong, wrong], "the right answer is read once, to compare with"


def test_numbers_within_the_tolerance_are_compared_as_they_are_on_other_machines() -> None:
    """A sum in another order, as on a CPU with other vectors, differs in the last places only."""
    values = np.random.default_rng(1).standard_normal((1, 1000)).astype(np.float32)
    check = check_of_outputs(NUMBERS, read_rest, answer(values.tolist()))
    other = values * np.float32(1 + 3e-7)
    assert check.error_of(answer(other.tolist())) is None
