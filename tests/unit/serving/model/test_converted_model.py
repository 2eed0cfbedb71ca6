"""What all converted models have in common, shown with a runtime that answers what a test gives it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from serving.errors import ServingError
from serving.model.converted_model import ConvertedModel
from serving.model.loaded_model import ConversionError


class Scaling(ConvertedModel[str]):
    """Converts every model to "times two", or to what `factor` is."""

    runtime, build = "Scaling", "scaling-1"
    factor = "2"
    conversions: list[Path] = []  # noqa: RUF012 - a new one in each test

    def convert(self, folder):
        self.conversions.append(folder)
        return self.factor

    def save(self, converted, kept):
        (kept / "model.txt").write_text(converted)

    def read(self, kept):
        return (kept / "model.txt").read_text()

    def compiled(self, converted):
        return lambda values: {"y": values["x"] * np.float32(converted)}, "float32"


@pytest.fixture(autouse=True)
def conversions(monkeypatch):
    monkeypatch.setattr(Scaling, "conversions", made := [])
    return made


def written(base: Path, factor: float = 2.0) -> Path:
    module = tf.Module()
    module.f = tf.function(lambda x: {"y": factor * x}, input_signature=[tf.TensorSpec((None, 3), name="x")])
    tf.saved_model.save(module, str(base / "1"), signatures={"serving_default": module.f})
    return base / "1"


def test_a_model_is_converted_once_and_keeps_its_difference(tmp_path, conversions, monkeypatch):
    folder = written(tmp_path / "m")
    monkeypatch.setattr(Scaling, "factor", "2.0005")
    first = Scaling("m", 1, folder)
    assert first.computation.precision == "float32"
    assert first.computation.largest_difference == pytest.approx(2.5e-4, rel=0.01)
    again = Scaling("m", 1, folder)
    assert (again.computation, conversions) == (first.computation, [folder])
    ones = np.ones((1, 3), np.float32)
    assert again.signature("").run({"x": ones})["y"] == pytest.approx(2.0005 * ones)


def test_other_files_are_another_conversion_wherever_they_are(tmp_path, conversions, monkeypatch):
    one, beside = written(tmp_path / "one"), written(tmp_path / "beside", factor=4.0)
    Scaling("one", 1, one)
    monkeypatch.setattr(Scaling, "factor", "4")
    Scaling("beside", 1, beside)
    shutil.rmtree(one)
    shutil.copytree(beside, one)
    Scaling("one", 1, one)
    assert conversions == [one, beside], "equal files are converted once"


def test_other_answers_than_tensorflows_are_refused_and_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(Scaling, "factor", "2.01")
    with pytest.raises(ConversionError, match=r"Scaling's answers differ from TensorFlow's by 5\.0e-03 "):
        Scaling("m", 1, written(tmp_path / "m"))
    assert not list(tmp_path.glob("scaling-*"))


def test_answers_that_are_no_numbers_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Scaling, "factor", "nan")
    with pytest.raises(ConversionError, match="differ from TensorFlow's by inf"):
        Scaling("m", 1, written(tmp_path / "m"))


def test_what_cannot_be_compiled_is_refused_with_the_last_line_of_the_reason(tmp_path, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("a trace\nFooOp is not known\n")

    monkeypatch.setattr(Scaling, "compiled", fail)
    with pytest.raises(ConversionError, match=r"^Scaling cannot compute it: FooOp is not known$"):
        Scaling("m", 1, written(tmp_path / "m"))


def test_text_is_refused_by_name_before_anything_is_converted(tmp_path, conversions):
    module = tf.Module()
    module.f = tf.function(
        lambda word: {"shout": tf.strings.upper(word)}, input_signature=[tf.TensorSpec((None,), tf.string, "word")]
    )
    tf.saved_model.save(module, str(tmp_path / "m/1"), signatures={"serving_default": module.f})
    with pytest.raises(ConversionError, match=r"^shout, word is text, which Scaling does not compute$"):
        Scaling("m", 1, tmp_path / "m/1")
    assert conversions == []


def test_a_conversion_that_cannot_be_kept_is_served_all_the_same(tmp_path):
    folder = written(tmp_path / "m")
    kept = Scaling("m", 1, folder)
    (place,) = tmp_path.glob("scaling-1-*")
    shutil.rmtree(place)
    place.write_text("no folder")
    assert Scaling("m", 1, folder).computation == kept.computation


def test_the_record_names_the_build(tmp_path):
    Scaling("m", 1, written(tmp_path / "m"))
    (record,) = tmp_path.glob("scaling-1-*/conversion.json")
    assert json.loads(record.read_text()) == {"build": "scaling-1", "largest difference from TensorFlow": 0.0}


def test_an_error_of_the_runtime_is_an_internal_error_of_the_request(tmp_path, monkeypatch):
    model = Scaling("m", 1, written(tmp_path / "m"))
    with pytest.raises(ServingError, match="'x'") as failed:
        model.signature("").run({})
    assert failed.value.code.name == "INTERNAL"
