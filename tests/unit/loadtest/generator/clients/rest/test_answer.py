"""What passes for a right answer over REST."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.clients.answer_check import AnswerCheck
from loadtest.generator.clients.rest.answer import read_rest
from loadtest.generator.payload import Output
from tests.unit.loadtest.plans import check_of_outputs


def check_of(*shapes: tuple[int, ...]) -> AnswerCheck:
    """A check of outputs `a`, `b`, … of these shapes."""
    outputs = [Output(name, "float32", shape) for name, shape in zip("abc", shapes, strict=False)]
    return check_of_outputs(outputs, read_rest)


finite = st.floats(allow_nan=False, allow_infinity=False) | st.integers(min_value=-(10**9), max_value=10**9)


def body(predictions: object) -> bytes:
    return json.dumps({"predictions": predictions}).encode()


@given(st.lists(st.lists(finite, min_size=4, max_size=4), min_size=2, max_size=2))
def test_any_finite_numbers_of_the_right_shape_pass_the_first_time_and_the_second(rows: list[list[float]]) -> None:
    check = check_of((2, 4))
    assert check.error_of(body(rows)) is None
    assert check.error_of(body(rows)) is None


@given(
    st.lists(st.lists(finite, min_size=4, max_size=4), min_size=2, max_size=2),
    st.sampled_from([float("nan"), float("inf"), float("-inf"), 10**400]),
    st.integers(0, 1),
    st.integers(0, 3),
)
def test_one_number_that_is_not_finite_fails_it(rows: list[list[float]], bad: float, row: int, column: int) -> None:
    rows[row][column] = bad
    assert check_of((2, 4)).error_of(body(rows)) == "not_finite"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"\xff", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"[[1, 2]]", "bad_shape"),
        (b'{"error": "no"}', "bad_shape"),
        (body([]), "bad_shape"),
        (body([[1]]), "bad_shape"),
        (body([[1, 2, 3]]), "bad_shape"),
        (body([[1, 2], [1, 2]]), "bad_shape"),
        (body([1, 2]), "bad_shape"),
        (body({"a": [1, 2]}), "bad_shape"),
        (body([[1, None]]), "not_numbers"),
        (body([[1, "2"]]), "not_numbers"),
        (body([[1, True]]), "not_numbers"),
        (b'{"predictions": [[1, 1e999]]}', "not_finite"),
    ],
)
def test_a_wrong_answer_has_its_class_of_error(content: bytes, error: str) -> None:
    check = check_of((1, 2))
    assert check.error_of(content) == error
    assert check.error_of(content) == error, "a wrong answer is not remembered as a right one"


def test_many_different_correct_answers_all_pass_in_any_order() -> None:
    check = check_of((1, 2))
    for _ in range(2):
        assert {check.error_of(body([[number, 0]])) for number in range(100)} == {None}


@pytest.mark.parametrize(
    ("predictions", "error"),
    [
        ([{"a": [1, 2], "b": 0.5}, {"a": [3, 4], "b": 1}], None),
        ([{"a": [1, 2], "b": 0.5}], "bad_shape"),
        ([{"a": [1, 2], "b": [0.5]}, {"a": [3, 4], "b": 1}], "bad_shape"),
        ([{"a": [1], "b": 0.5}, {"a": [3, 4], "b": 1}], "bad_shape"),
        ([{"a": [1, 2]}, {"a": [3, 4]}], "bad_shape"),
        ([{"a": [1, 2], "b": 1, "c": 1}] * 2, "bad_shape"),
        ([[1, 2], [3, 4]], "bad_shape"),
        ({"a": [[1, 2], [3, 4]], "b": [1, 1]}, "bad_shape"),
        (None, "bad_shape"),
    ],
)
def test_several_outputs_are_checked_by_name(predictions: object, error: str | None) -> None:
    assert check_of((2, 2), (2,)).error_of(body(predictions)) == error


def test_an_output_may_have_any_number_of_dimensions() -> None:
    check = check_of((2, 1, 3, 1))
    assert check.error_of(body([[[[1], [2], [3]]]] * 2)) is None
    assert check.error_of(body([[[[1], [2], [3, 4]]]] * 2)) == "bad_shape"
    assert check.error_of(body([[[1], [2], [3]]] * 2)) == "bad_shape"


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ({"outputs": [[1, 2]]}, None),
        ({"outputs": {"a": [[1, 2]]}}, None),
        ({"outputs": {"b": [[1, 2]]}}, "bad_shape"),
        ({"outputs": [1, 2]}, "bad_shape"),
    ],
)
def test_an_answer_in_columns_is_read_as_well(document: object, error: str | None) -> None:
    assert check_of((1, 2)).error_of(json.dumps(document).encode()) == error


@pytest.mark.parametrize(
    ("value", "error"), [("text", None), ({"b64": "/w=="}, None), ({"b64": "?"}, "not_strings"), (1, "not_strings")]
)
def test_text_is_text_or_bytes_in_base64(value: object, error: str | None) -> None:
    check = check_of_outputs([Output("a", "string", (1,))], read_rest)
    assert check.error_of(body([value])) == error
