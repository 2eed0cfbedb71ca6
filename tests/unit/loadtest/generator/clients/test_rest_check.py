"""What passes for a right answer over REST."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.generator.clients.rest_check import RestCheck
from loadtest.generator.payload import Output


def check_of(*shapes: tuple[int, ...]) -> RestCheck:
    """A check of outputs `a`, `b`, … of these shapes."""
    return RestCheck([Output(name, "float32", shape) for name, shape in zip("abc", shapes, strict=False)])


finite = st.floats(allow_nan=False, allow_infinity=False) | st.integers(min_value=-(10**9), max_value=10**9)


def body(predictions: object) -> bytes:
    return json.dumps({"predictions": predictions}).encode()


@given(st.lists(st.lists(finite, min_size=4, max_size=4), min_size=2, max_size=2))
def test_any_finite_numbers_of_the_right_shape_pass_the_first_time_and_the_second(rows: list[list[float]]) -> None:
    check = check_of((2, 4))
    assert check.error_of(200, body(rows)) is None
    assert check.error_of(200, body(rows)) is None


@given(
    st.lists(st.lists(finite, min_size=4, max_size=4), min_size=2, max_size=2),
    st.sampled_from([float("nan"), float("inf"), float("-inf"), 10**400]),
    st.integers(0, 1),
    st.integers(0, 3),
)
def test_one_number_that_is_not_finite_fails_it(rows: list[list[float]], bad: float, row: int, column: int) -> None:
    rows[row][column] = bad
    assert check_of((2, 4)).error_of(200, body(rows)) == "not_finite"


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
    assert check.error_of(200, content) == error
    assert check.error_of(200, content) == error, "a wrong answer is not remembered as a right one"


def test_a_correct_body_with_an_error_status_is_wrong_even_after_the_same_bytes_passed() -> None:
    check = check_of((1, 2))
    assert check.error_of(200, body([[1, 2]])) is None
    assert check.error_of(503, body([[1, 2]])) == "http_503"


def test_many_different_correct_answers_all_pass_in_any_order() -> None:
    check = check_of((1, 2))
    for _ in range(2):
        assert {check.error_of(200, body([[number, 0]])) for number in range(100)} == {None}


@pytest.mark.parametrize(
    ("predictions", "error"),
    [
        ([{"a": [1, 2], "b": 0.5}, {"a": [3, 4], "b": 1}], None),
        ([{"a": [1, 2], "b": 0.5}], "bad_shape"),
        ([{"a": [1, 2], "b": [0.5]}, {"a": [3, 4], "b": 1}], "not_numbers"),
        ([{"a": [1], "b": 0.5}, {"a": [3, 4], "b": 1}], "bad_shape"),
        ([{"a": [1, 2]}, {"a": [3, 4]}], "bad_shape"),
        ([{"a": [1, 2], "b": 1, "c": 1}] * 2, "bad_shape"),
        ([[1, 2], [3, 4]], "bad_shape"),
        ({"a": [[1, 2], [3, 4]], "b": [1, 1]}, "bad_shape"),
        (None, "bad_shape"),
    ],
)
def test_several_outputs_are_checked_by_name(predictions: object, error: str | None) -> None:
    assert check_of((2, 2), (2,)).error_of(200, body(predictions)) == error


def test_an_output_may_have_any_number_of_dimensions() -> None:
    check = check_of((2, 1, 3, 1))
    assert check.error_of(200, body([[[[1], [2], [3]]]] * 2)) is None
    assert check.error_of(200, body([[[[1], [2], [3, 4]]]] * 2)) == "bad_shape"
    assert check.error_of(200, body([[[1], [2], [3]]] * 2)) == "bad_shape"
