"""A SavedModel that OpenVINO computes, with the answers that TensorFlow has."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from serving.model import openvino_model
from serving.model.loaded_model import ConversionError, LoadedModel
from serving.model.openvino_model import OpenVinoModel


def written(base: Path, signature, *specs) -> Path:
    """The version folder of a model with this function as its signature."""
    module = tf.Module()
    module.f = tf.function(signature, input_signature=specs)
    tf.saved_model.save(module, str(base / "1"), signatures={"serving_default": module.f})
    return base / "1"


def spec(name, dtype, *shape):
    return tf.TensorSpec((None, *shape), dtype, name=name)


@pytest.fixture(scope="module")
def tiny(tiny_base_path, tmp_path_factory) -> Path:
    return Path(shutil.copytree(tiny_base_path / "0012", tmp_path_factory.mktemp("openvino") / "resnet" / "12"))


@pytest.fixture(scope="module")
def model(tiny) -> OpenVinoModel:
    return OpenVinoModel("resnet", 12, tiny, intra_op=2, inter_op=2)


def test_it_has_the_signature_and_the_answers_that_tensorflow_has(model, tiny, direct, images):
    signature, known = model.signature(""), LoadedModel("resnet", 12, tiny).signature("")
    assert (signature.inputs, signature.output_names) == (known.inputs, known.output_names)
    found = signature.run({"image_input": images})
    assert found.keys() == {"resnet50"}
    np.testing.assert_allclose(found["resnet50"], direct(images), atol=1e-6)


def test_requests_at_once_get_their_own_answers(model, direct, images):
    run = model.signature("").run
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: run({"image_input": images[number % 5][None]})["resnet50"], range(64)))
    expected = direct(images)
    for number, answer in enumerate(answers):
        np.testing.assert_allclose(answer[0], expected[number % 5], atol=1e-6)


def test_inputs_and_outputs_keep_their_names_whatever_their_order(tmp_path):
    def combined(b, a):
        return {"sum": a + b, "difference": a - b, "doubled": 2 * b}

    folder = written(tmp_path / "m", combined, spec("b", tf.float32, 3), spec("a", tf.float32, 3))
    inputs = {"a": np.full((2, 3), 5, np.float32), "b": np.ones((2, 3), np.float32)}
    found = OpenVinoModel("m", 1, folder, 1, 1).signature("").run(inputs)
    assert {name: value[0, 0] for name, value in found.items()} == {"sum": 6, "difference": 4, "doubled": 2}


def test_it_computes_in_float32_and_says_so(model):
    assert model.computation.precision == "float32"
    assert model.computation.largest_difference < 1e-5


def test_a_model_that_cannot_be_converted_is_refused_with_the_reason(tmp_path, monkeypatch):
    folder = written(tmp_path / "m", lambda x: {"y": 2 * x}, spec("x", tf.float32, 3))
    monkeypatch.setattr(OpenVinoModel, "convert", lambda *_: openvino_model.ov.convert_model(tmp_path / "none"))
    with pytest.raises(ConversionError, match=r"OpenVINO cannot compute it: ."):
        OpenVinoModel("m", 1, folder, 1, 1)


def test_nothing_reports_the_import_of_openvino(model):
    from openvino.tools.ovc import telemetry_utils as reports  # noqa: PLC0415 - as late as a request

    assert reports.tm.__name__ == "openvino.tools.ovc.telemetry_stub"
