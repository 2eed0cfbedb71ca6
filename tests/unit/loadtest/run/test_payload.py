"""The photograph, and the payload made of it."""

import json
from typing import Any

import ml_dtypes  # noqa: F401 - gives NumPy bfloat16
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from loadtest.generator.clients.rest.request import rest_body_of
from loadtest.generator.payload import CODES, STRING, Output, Payload, Request, Tensor
from loadtest.run.payload import PHOTOGRAPH, outputs_of, payload_of, photograph
from stacks.server.models import RESNET50, Model, TensorSpec

PIXELS = np.frombuffer(photograph(), np.uint8).reshape(224, 224, 3)


@st.composite
def models(draw: DrawFn) -> Model:
    names = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True))
    sizes = st.lists(st.integers(1, 4), max_size=2)
    first = draw(st.sampled_from([None, 1, 3]))
    inputs = tuple(
        TensorSpec(name=name, dtype=draw(st.sampled_from(sorted(CODES))), shape=(first, *draw(sizes))) for name in names
    )
    ranged = draw(st.sets(st.sampled_from([tensor.name for tensor in inputs if tensor.dtype != "bool"] or ["none"])))
    ranges = {
        name: (float(low), float(low + draw(st.integers(0, 9))))
        for name in ranged
        for low in [draw(st.integers(0, 99))]
    }
    return RESNET50.model_copy(update={"payload": "generated", "inputs": inputs, "ranges": ranges})


def one_of(payload: Payload) -> Request:
    """The only request."""
    (request,) = payload.requests
    return request


def test_the_photograph_is_small_in_the_checkout_and_no_blank_page() -> None:
    assert PHOTOGRAPH.stat().st_size <= 60_000
    assert PIXELS.std() > 20


def test_its_licence_is_written_beside_it() -> None:
    assert "CC0" in (PHOTOGRAPH.parent / "README.md").read_text()


def test_resnet50_gets_the_photograph_as_an_instance() -> None:
    ((image,),) = (request.inputs for request in payload_of(RESNET50).requests)
    assert (image.name, image.dtype, image.shape) == ("image_input", "float32", (1, 224, 224, 3))
    assert image.data == photograph()
    assert outputs_of(RESNET50) == (Output("resnet50", "float32", (None, 1000)),)


@given(models())
def test_what_is_generated_is_what_the_model_takes_within_the_ranges_and_the_same_each_time(model: Model) -> None:
    payload = payload_of(model)
    assert payload == payload_of(model)
    assert Payload.from_bytes(payload.to_bytes()) == payload
    for spec, sent in zip(model.inputs, one_of(payload).inputs, strict=True):
        assert (sent.name, sent.dtype, sent.shape) == (spec.name, spec.dtype, tuple(size or 1 for size in spec.shape))
        values = np.frombuffer(sent.data, sent.dtype)
        assert values.size == np.prod(sent.shape)
        low, high = model.ranges.get(spec.name, (0, 1))
        assert ((low <= values) & (values <= high)).all()


def test_whole_numbers_reach_both_ends_of_their_range() -> None:
    spec = TensorSpec(name="ids", dtype="int32", shape=(None, 400))
    model = RESNET50.model_copy(update={"payload": "generated", "inputs": (spec,), "ranges": {"ids": (-1, 2)}})
    assert set(np.frombuffer(one_of(payload_of(model)).inputs[0].data, np.int32)) == {-1, 0, 1, 2}


def generated(dtype: str, **settings: Any) -> Tensor:
    spec = TensorSpec(name="in", dtype=dtype, shape=(None, 200))
    model = RESNET50.model_copy(update={"payload": "generated", "inputs": (spec,), **settings})
    return one_of(payload_of(model)).inputs[0]


def test_values_are_drawn_from_those_that_are_given() -> None:
    assert set(generated("int64", values={"in": (3, 70)}).values) == {3, 70}
    assert set(generated(STRING, values={"in": ("DE", "FR", 1)}).values) == {b"DE", b"FR", b"1"}


def test_text_without_values_is_sentences_of_different_words() -> None:
    sentences = generated(STRING).values
    assert len(set(sentences)) == 200
    assert {len(sentence.split()) for sentence in sentences} == {16}


def test_outputs_have_the_models_instances_and_any_size_where_the_model_has() -> None:
    model = RESNET50.model_copy(
        update={
            "inputs": (TensorSpec(name="in", dtype="float32", shape=(8, 2)),),
            "outputs": tuple(
                TensorSpec(name=str(shape), dtype="float32", shape=shape) for shape in ((None, None, 3), (8,), ())
            ),
        }
    )
    assert [output.shape for output in outputs_of(model)] == [(None, None, 3), (8,), None]


def test_the_body_is_as_large_as_that_of_the_published_experiment_and_holds_the_photograph() -> None:
    body = rest_body_of(one_of(payload_of(RESNET50)), "serving_default")
    assert 600_000 <= len(body) <= 800_000
    document = json.loads(body)
    assert document["signature_name"] == "serving_default"
    assert np.array_equal(document["instances"], PIXELS[np.newaxis])
