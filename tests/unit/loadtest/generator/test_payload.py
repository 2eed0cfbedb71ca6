"""A payload as a file, and as a request of either protocol."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from loadtest.generator.clients.rest_request import rest_body_of
from loadtest.generator.payload import CODES, Output, Payload, Tensor

_SHAPES = st.lists(st.integers(1, 3), max_size=3).map(tuple)


@st.composite
def tensors(draw: DrawFn, name: str, instances: int) -> Tensor:
    dtype = draw(st.sampled_from(sorted(CODES)))
    # Values that the model's type holds exactly.
    stored = draw(st.sampled_from(["uint8", dtype])) if dtype.startswith(("float", "int")) else dtype
    shape = (instances, *draw(_SHAPES))
    values = draw(
        st.lists(st.integers(0, 1 if dtype == "bool" else 255), min_size=math.prod(shape), max_size=math.prod(shape))
    )
    return Tensor(name, dtype, shape, stored, np.array(values).astype(stored).tobytes())


@st.composite
def _payloads(draw: DrawFn) -> Payload:
    instances = draw(st.integers(1, 3))
    names = draw(st.lists(st.text("abc_é", min_size=1, max_size=4), min_size=1, max_size=3, unique=True))
    inputs = tuple(draw(tensors(name, instances)) for name in names)
    return Payload(draw(st.text()), inputs, (Output("out", "float32", (instances, 7)),))


payloads = _payloads()


def values_of(tensor: Tensor) -> np.ndarray:
    return np.frombuffer(tensor.data, tensor.stored).reshape(tensor.shape)


@given(payloads)
def test_a_file_holds_all_of_a_payload(payload: Payload) -> None:
    assert Payload.from_bytes(payload.to_bytes()) == payload


@given(payloads, st.data())
def test_a_file_that_is_cut_off_or_longer_is_no_payload(payload: Payload, data: st.DataObject) -> None:
    content = payload.to_bytes()
    end = data.draw(st.integers(0, len(content) - 1))
    for other in (content[:end], content + b"\0"):
        with pytest.raises(ValueError, match=r"are not a payload|follow its first line"):
            Payload.from_bytes(other)


@pytest.mark.parametrize(
    "content", [b"", b"GIF89a", b"[]\n", b"{}\n", b'{"inputs": [{"shape": [1], "stored": "int3"}]}\n']
)
def test_other_bytes_are_no_payload(content: bytes) -> None:
    with pytest.raises(ValueError, match=rf"these {len(content)} bytes are not a payload"):
        Payload.from_bytes(content)


@given(payloads)
def test_over_rest_an_instance_is_its_input_or_its_inputs_by_name(payload: Payload) -> None:
    document = json.loads(rest_body_of(payload))
    assert document["signature_name"] == payload.signature
    for each in payload.inputs:
        sent = [row[each.name] if len(payload.inputs) > 1 else row for row in document["instances"]]
        assert sent == values_of(each).tolist()


@given(payloads, st.integers(1, 3))
def test_a_repeated_payload_has_its_instances_again_and_again(payload: Payload, times: int) -> None:
    repeated = payload.repeated(times)
    for one, several in zip(payload.inputs, repeated.inputs, strict=True):
        assert np.array_equal(values_of(several), np.concatenate([values_of(one)] * times))
    assert [each.shape for each in repeated.outputs] == [(times * payload.inputs[0].shape[0], 7)]
