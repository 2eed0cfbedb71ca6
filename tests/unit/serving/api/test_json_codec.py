import json
import math

import ml_dtypes  # noqa: F401 - gives NumPy bfloat16
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from serving.api.json_codec import decode, encode
from serving.api.json_slow_path import decode_slow_path
from serving.errors import Code, ServingError
from serving.model.signature import InputSpec, Signature

LARGEST_EXACT = {np.float32: 2**24 - 1, np.float64: 2**53 - 1}


def signature(*specs: InputSpec) -> Signature:
    return Signature("serving_default", {spec.name: spec for spec in specs}, ("y",), run=dict)


def any_shape(dtype) -> Signature:
    return signature(InputSpec("x", np.dtype(dtype), None))


def shaped(data, *, least=1):
    shape = data.draw(npst.array_shapes(min_dims=1, max_dims=5, min_side=least, max_side=5))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    whole = st.integers(-LARGEST_EXACT[dtype], LARGEST_EXACT[dtype])
    fraction = st.floats(-1e6, 1e6, width=32)
    values = data.draw(st.lists(whole | fraction, min_size=math.prod(shape), max_size=math.prod(shape)))
    return dtype, shape, values


def nested(values, shape):
    if not shape:
        return values.pop(0)
    return [nested(values, shape[1:]) for _ in range(shape[0])]


def decode_and_check(body, signature_of_request):
    request = decode(body, lambda _: signature_of_request)
    request.signature.check(request.inputs)


def error_of(body, signature_of_request) -> ServingError:
    with pytest.raises(ServingError) as raised:
        decode_and_check(body, signature_of_request)
    return raised.value


@given(st.data(), st.sampled_from([None, 0, 3]), st.sampled_from(["instances", "inputs"]))
def test_nested_numbers_decode_as_numpy_reads_them(data, indent, key):
    dtype, shape, values = shaped(data)
    lists = nested(list(values), shape)
    body = json.dumps({"signature_name": "a[b]", key: lists}, indent=indent).encode()

    request = decode(body, lambda _: any_shape(dtype))

    expected = np.array(lists, dtype=np.float64).astype(dtype)
    assert request.row == (key == "instances")
    assert request.inputs["x"].dtype == dtype
    assert request.inputs["x"].shape == tuple(shape)
    np.testing.assert_array_equal(request.inputs["x"], expected)


@given(st.data())
def test_the_fast_path_and_the_slow_path_agree(data):
    dtype, shape, values = shaped(data)
    body = json.dumps({"instances": nested(list(values), shape)}).encode()
    fast, exact = (way(body, lambda _: any_shape(dtype)).inputs["x"] for way in (decode, decode_slow_path))
    np.testing.assert_array_equal(fast, exact)
    assert fast.shape == exact.shape


numbers = st.integers(-1000, 1000) | st.floats(-1000, 1000, width=32)


@st.composite
def nearly_even_lists(draw):
    """An even nested list with one item, at any depth, replaced by something else."""
    shape = draw(npst.array_shapes(min_dims=1, max_dims=4, max_side=4))
    lists = nested(list(range(math.prod(shape))), shape)
    owner = lists
    for _ in range(draw(st.integers(0, len(shape) - 1))):
        owner = owner[draw(st.integers(0, len(owner) - 1))]
    index = draw(st.integers(0, len(owner) - 1))
    item = owner[index]
    replacements = [1, [item], [], [1, 2]]
    if isinstance(item, list):
        replacements += [item[:-1], item + item[:1], item[0]]
    owner[index] = draw(st.sampled_from(replacements))
    return lists


@given(nearly_even_lists() | st.recursive(numbers, lambda inner: st.lists(inner, max_size=4), max_leaves=12))
def test_lists_are_rejected_if_and_only_if_numpy_finds_them_ragged(lists):
    body = json.dumps({"inputs": lists}).encode()
    try:
        expected = np.array(lists, dtype=np.float32)
    except ValueError:
        assert error_of(body, any_shape(np.float32)).code is Code.INVALID_ARGUMENT
        return
    decoded = decode(body, lambda _: any_shape(np.float32)).inputs["x"]
    assert decoded.shape == expected.shape
    np.testing.assert_array_equal(decoded, expected)


# Bodies that the check of the brackets could mistake for one array of numbers.
@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": [[1, 2], [3, 4]], "more": [[1, 2], [3, 4]]}',
        b'{"more": [[1, 2], [3, 4]], "instances": [[1, 2], [3, 4]]}',
        b'{"instances": [[1, 2], [3, 4]], "instances": [[1, 2], [3, 4]]}',
        b'{"signature_name": "][[,],[,]", "instances": [[1, 2], [3, 4]]}',
        b'{"more": "[[1,2],[3,4]]", "instances": [[1, 2],\t[3,\r\n4]]}',
        b'{"instances": [[1, 2], [3, 4]], "more": {"a": "]"}}',
    ],
)
def test_brackets_elsewhere_in_the_body_do_not_change_the_result(body):
    decoded = decode(body, lambda _: any_shape(np.float32)).inputs["x"]
    np.testing.assert_array_equal(decoded, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("number", "dtype", "says"),
    [
        ("NaN", "float32", "NaN"),
        ("-Infinity", "float32", "NaN or infinite"),
        ("1e400", "float64", "NaN or infinite"),
        ("1e39", "float32", "1e+39 to float32 without loss"),
        ("16777217", "float32", "16777217 to float32 without loss"),
        ("9007199254740993", "float64", "9007199254740993 to float64 without loss"),
        ("1" + "0" * 30, "float32", "without loss"),
        ("true", "float32", "Type: Bool is not of expected type: float32"),
        ("null", "float32", "Type: Null is not of expected type: float32"),
        ('"1"', "float32", "Type: String is not of expected type: float32"),
        ('{"b64": "AA=="}', "float32", "Type: Object is not of expected type: float32"),
        ("1.5", "int32", "1.5 Type: Number is not of expected type: int32"),
        ("2147483648", "int32", "not of expected type: int32"),
        ("-1", "uint8", "not of expected type: uint8"),
        ("1", "bool", "not of expected type: bool"),
        ("1", "O", "1 Type: Number is not of expected type: string"),
        ('{"b64": "?"}', "O", "base64"),
    ],
)
def test_an_error_names_the_value_that_the_input_cannot_hold(number, dtype, says):
    error = error_of(f'{{"instances": [{number}]}}'.encode(), any_shape(dtype))
    assert error.code is Code.INVALID_ARGUMENT
    assert says in error.message


@pytest.mark.parametrize(
    ("number", "dtype", "value"),
    [
        ("16777215", "float32", 16777215),
        ("16777216.0", "float32", 16777216),
        ("-3.4e38", "float32", np.float32(-3.4e38)),
        ("1e300", "float64", 1e300),
        ("-7", "int64", -7),
        ("true", "bool", True),
        ('"é"', "O", "é".encode()),
        ('{"b64": "AAE="}', "O", b"\x00\x01"),
    ],
)
def test_a_value_that_the_input_can_hold_is_decoded_exactly(number, dtype, value):
    decoded = decode(f'{{"instances": [{number}]}}'.encode(), lambda _: any_shape(dtype)).inputs["x"]
    assert decoded.dtype == np.dtype(dtype)
    assert decoded.tolist() == [value]


@pytest.mark.parametrize("depth", [65, 66, 2_000, 200_000])
def test_deep_nesting_is_rejected_and_does_not_crash(depth):
    body = b'{"instances": ' + b"[" * depth + b"1" + b"]" * depth + b"}"
    assert error_of(body, any_shape(np.float32)).code is Code.INVALID_ARGUMENT


def test_a_small_body_cannot_allocate_a_large_buffer():
    inner = "[" * 60 + "1" + "]" * 60
    body = f'{{"instances": [{inner}{", 1" * 100_000}]}}'.encode()
    assert "but got: []" in error_of(body, any_shape(np.float32)).message


def test_several_inputs_are_decoded_from_named_rows_and_columns():
    two = signature(InputSpec("a", np.dtype(np.float32), None), InputSpec("b", np.dtype(np.int32), None))
    for body in (
        {"instances": [{"a": [1.5, 2], "b": 3}, {"b": 6, "a": [4, 5]}]},
        {"inputs": {"a": [[1.5, 2], [4, 5]], "b": [3, 6]}},
    ):
        inputs = decode(json.dumps(body).encode(), lambda _: two).inputs
        np.testing.assert_array_equal(inputs["a"], [[1.5, 2], [4, 5]])
        np.testing.assert_array_equal(inputs["b"], [3, 6])
    for body, says in (
        ({"instances": [[1, 2]]}, "expecting list of objects with the inputs a,b"),
        ({"instances": [{"a": 1}]}, "keys must be equal to: a,b"),
        ({"instances": [{"a": 1, "b": 2}, 3]}, "Expecting object at item 1"),
        ({"instances": [{"a": [1], "b": 2}, {"a": [1, 2], "b": 2}]}, "element: 1 key: a"),
        ({"inputs": [1]}, "expecting an object with the inputs a,b"),
        ({"inputs": {"a": [1]}}, "Missing named input: b"),
    ):
        assert says in error_of(json.dumps(body).encode(), two).message


def test_one_output_is_encoded_plain_and_several_by_name():
    a, b = np.array([[1.5, 2.0], [3.0, 4.0]], np.float32), np.array([5, 6], np.int64)
    assert json.loads(encode({"a": a}, row=True)) == {"predictions": [[1.5, 2], [3, 4]]}
    assert json.loads(encode({"a": a}, row=False)) == {"outputs": [[1.5, 2], [3, 4]]}
    assert json.loads(encode({"a": a, "b": b}, row=True)) == {
        "predictions": [{"a": [1.5, 2], "b": 5}, {"a": [3, 4], "b": 6}]
    }
    assert json.loads(encode({"a": a, "b": b}, row=False)) == {"outputs": {"a": [[1.5, 2], [3, 4]], "b": [5, 6]}}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "uint16"])
def test_what_tensorflow_serving_does_not_write_as_json_is_refused(dtype):
    with pytest.raises(ServingError, match=f"Failed to write JSON value for tensor type: {dtype}") as raised:
        encode({"a": np.zeros(1).astype(dtype)}, row=True)
    assert raised.value.code is Code.INVALID_ARGUMENT
    body = b'{"inputs": [1]}'
    assert error_of(body, any_shape(dtype)).code is Code.UNIMPLEMENTED


def test_outputs_named_with_bytes_are_encoded_as_base64_and_others_as_text():
    value = np.array([b"ab"], dtype=object)
    assert json.loads(encode({"label": value}, row=False)) == {"outputs": ["ab"]}
    assert json.loads(encode({"label_bytes": value}, row=False)) == {"outputs": [{"b64": "YWI="}]}


def test_nan_and_infinity_are_encoded_by_name():
    assert (
        encode({"a": np.array([np.nan, -np.inf, 1], np.float32)}, row=True) == b'{"predictions": [NaN, -Infinity, 1.0]}'
    )


def test_outputs_with_different_batch_sizes_can_only_be_encoded_in_columns():
    outputs = {"a": np.zeros(2), "b": np.array(1.0)}
    with pytest.raises(
        ServingError, match=r"no common batch size, so they cannot be in rows: .*; send 'inputs' instead of"
    ):
        encode(outputs, row=True)
    assert json.loads(encode(outputs, row=False)) == {"outputs": {"a": [0, 0], "b": 1}}
