"""The photograph and the body made of it."""

import json

import numpy as np

from loadtest.run.payload import PHOTOGRAPH, photograph, rest_body


def test_the_photograph_is_small_in_the_checkout_and_of_the_models_size() -> None:
    assert PHOTOGRAPH.stat().st_size <= 60_000
    pixels = photograph()
    assert pixels.shape == (224, 224, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std() > 20, "it is no blank page"


def test_its_licence_is_written_beside_it() -> None:
    assert "CC0" in (PHOTOGRAPH.parent / "README.md").read_text()


def test_the_body_is_as_large_as_that_of_the_published_experiment_and_holds_the_photograph() -> None:
    body = rest_body()
    assert 600_000 <= len(body) <= 800_000
    document = json.loads(body)
    assert document["signature_name"] == "serving_default"
    assert np.array_equal(np.array(document["instances"]), photograph()[np.newaxis])


def test_a_batch_repeats_the_photograph() -> None:
    document = json.loads(rest_body(batch=5))
    assert document["signature_name"] == "serving_default"
    assert np.array(document["instances"]).shape == (5, 224, 224, 3)
