"""A payload as a file, and as a request of either protocol."""

import base64
import json
import math
import zlib
from dataclasses import replace
from typing import Any

import ml_dtypes  # gives NumPy bfloat16
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from loadtest.generator.clients.rest.request import rest_body_of
from loadtest.generator.nested import flat
from loadtest.generator.payload import (
    CODES,
    HALVES,
    STRING,
    Output,
    Payload,
    Request,
    Tensor,
    packed,
    strings,
    unpacked,
)

_SHAPES = st.lists(st.integers(1, 3), max_size=3).map(tuple)


@st.composite
def tensors(draw: DrawFn, name: str, instances: int) -> Tensor:
    dtype = draw(st.sampled_from([STRING, *sorted(CODES)]))
    shape = (instances, *draw(_SHAPES))
    count = math.prod(shape)
    if dtype == STRING:
        texts = draw(
            st.lists(st.binary(max_size=9) | st.text(max_size=9).map(str.encode), min_size=count, max_size=count)
        )
        return Tensor(name, dtype, shape, dtype, strings(texts))
    # Values that the model's type holds exactly.
    stored = draw(st.sampled_from(["uint8", dtype])) if dtype.startswith(("bfloat", "float", "int3", "int6")) else dtype
    values = draw(st.lists(st.integers(0, {"bool": 1, "int8": 127}.get(dtype, 255)), min_size=count, max_size=count))
    return Tensor(name, dtype, shape, stored, np.array(values).astype(stored).tobytes())


@st.composite
def _requests(draw: DrawFn, json: st.SearchStrategy[bytes] = st.just(b"")) -> Request:  # noqa: B008 - it changes nothing
    instances = draw(st.integers(1, 3))
    names = draw(st.lists(st.text("abc_é", min_size=1, max_size=4), min_size=1, max_size=3, unique=True))
    return Request(tuple(draw(tensors(name, instances)) for name in names), draw(json))


requests = _requests()
payloads = st.builds(
    Payload, st.text(), st.lists(_requests(st.sampled_from([b"", b"{}"])), min_size=1, max_size=3).map(tuple)
)


def values_of(tensor: Tensor) -> np.ndarray:
    if tensor.stored == STRING:
        return np.array([*tensor.values, None], object)[:-1].reshape(tensor.shape)
    return np.frombuffer(tensor.data, tensor.stored).reshape(tensor.shape)


def as_json(value: object) -> object:
    """What a value must be in a body: text, or base64 of what is none."""
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


@given(payloads)
def test_a_file_holds_all_of_a_payload(payload: Payload) -> None:
    assert Payload.from_bytes(payload.to_bytes()) == payload


@given(payloads, st.data())
def test_a_file_that_is_cut_off_or_longer_is_no_payload(payload: Payload, data: st.DataObject) -> None:
    content = payload.to_bytes()
    end = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(ValueError, match="are not a payload"):
        Payload.from_bytes(content[:end])


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", *map(zlib.compress, (b"", b"[]\n", b'{"head": {}, "sizes": []}\n'))]
)
def test_other_bytes_are_no_payload(content: bytes) -> None:
    with pytest.raises(ValueError, match=rf"these {len(content)} bytes are not a payload"):
        Payload.from_bytes(content)


@given(requests, st.text())
def test_over_rest_an_instance_is_its_input_or_its_inputs_by_name(request: Request, signature: str) -> None:
    document = json.loads(rest_body_of(request, signature))
    assert document["signature_name"] == signature
    for tensor in request.inputs:
        sent = [row[tensor.name] if len(request.inputs) > 1 else row for row in document["instances"]]
        shape, values = flat(sent)
        assert shape == tensor.shape
        assert values == [as_json(value) for value in values_of(tensor).ravel().tolist()]


@pytest.mark.parametrize("dtype", HALVES)
def test_each_number_in_half_precision_is_what_numpy_reads(dtype: str) -> None:
    data = np.arange(2**16, dtype=np.uint16).tobytes()
    with np.errstate(invalid="ignore"):  # numbers that are none
        numbers = np.frombuffer(data, dtype).astype(np.float64)
    assert np.array_equal(unpacked(dtype, data), numbers, equal_nan=True)


@pytest.mark.parametrize(
    ("dtype", "largest"), [("float16", 65504), ("bfloat16", float(ml_dtypes.finfo("bfloat16").max))]
)
@given(data=st.data())
def test_a_number_in_half_precision_is_rounded_as_numpy_does(dtype: str, largest: float, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.floats(-largest, largest, width=32)))
    assert packed(dtype, values) == np.array(values, np.float32).astype(dtype).tobytes()


def test_half_way_between_two_numbers_the_even_one_is_sent() -> None:
    half_way = (np.arange(2**16, dtype=np.uint32) << 16 | 0x8000).view(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = half_way.astype("bfloat16")
    inside = np.isfinite(half_way) & np.isfinite(nearest)
    assert packed("bfloat16", half_way[inside].tolist()) == nearest[inside].tobytes()
    assert packed("float16", [1 + 2**-11, 1 + 3 * 2**-11]) == np.float16([1, 1 + 2**-9]).tobytes()


@pytest.mark.parametrize(
    ("dtype", "value"), [("float16", 65520), ("bfloat16", 3.4e38), ("bfloat16", -1e39), ("int8", 128)]
)
def test_a_number_that_a_type_does_not_hold_is_an_error(dtype: str, value: float) -> None:
    with pytest.raises(OverflowError):
        packed(dtype, [value])
    with pytest.raises(ValueError, match="end within a value of int64"):
        unpacked("int64", b"1234567")


@given(requests)
def test_a_recorded_body_is_sent_as_it_is(request: Request) -> None:
    assert rest_body_of(replace(request, json=b'{"instances":[ 1.50 ]}'), "any") == b'{"instances":[ 1.50 ]}'


@given(requests, st.integers(1, 3))
def test_a_repeated_request_has_its_instances_again_and_again(request: Request, times: int) -> None:
    repeated = request.repeated(times)
    assert repeated.instances == times * request.instances
    for one, several in zip(request.inputs, repeated.inputs, strict=True):
        assert values_of(several).tolist() == np.concatenate([values_of(one)] * times).tolist()


@given(payloads)
def test_a_payload_has_the_mean_of_the_instances_of_its_requests(payload: Payload) -> None:
    assert payload.instances == pytest.approx(np.mean([request.inputs[0].shape[0] for request in payload.requests]))


@pytest.mark.parametrize(
    ("shape", "of_three"), [((None, 7), (3, 7)), ((5, 7), (5, 7)), (None, None), ((None, None), (3, None))]
)
def test_an_output_has_as_many_instances_as_its_request(shape: Any, of_three: Any) -> None:
    assert Output("out", "float32", shape).of_instances(3).shape == of_three
