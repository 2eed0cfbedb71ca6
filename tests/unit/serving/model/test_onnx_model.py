"""A SavedModel that ONNX Runtime computes, after tf2onnx: the same answers, no reports, requests at once as set."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import TensorProto, helper

from serving.model import onnx_model
from serving.model.loaded_model import ConversionError, LoadedModel
from serving.model.onnx_model import OnnxModel


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two inputs, not in the order of their names, and three outputs."""
    module = tf.Module()
    module.kernel = tf.Variable(tf.random.stateless_normal((8, 8), (1, 2)))

    def combined(b, a):
        return {"sum": a + b, "difference": a - b, "score": tf.nn.softmax(b @ module.kernel)}

    specs = [tf.TensorSpec((None, 8), name=name) for name in ("b", "a")]
    folder = tmp_path_factory.mktemp("onnx") / "m/1"
    tf.saved_model.save(module, str(folder), signatures={"serving_default": tf.function(combined, specs)})
    return folder


@pytest.fixture(scope="module")
def model(folder) -> OnnxModel:
    return OnnxModel("m", 1, folder, intra_op=2, inter_op=2)


def test_it_has_the_signature_and_the_answers_that_tensorflow_has(model, folder):
    signature, known = model.signature(""), LoadedModel("m", 1, folder).signature("")
    assert (signature.inputs, signature.output_names) == (known.inputs, known.output_names)
    chance = np.random.default_rng(3)
    inputs = {name: chance.random((5, 8), np.float32) for name in "ab"}
    found, right = signature.run(inputs), known.run(inputs)
    for name in right:
        np.testing.assert_allclose(found[name], right[name], atol=1e-6)
    assert model.computation.precision == "float32"
    assert 0 <= model.computation.largest_difference < 1e-5


def test_requests_at_once_get_their_own_answers(model):
    rows = np.random.default_rng(4).random((32, 1, 8), np.float32)
    run = model.signature("").run
    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(lambda row: run({"a": row, "b": np.zeros_like(row)})["sum"], rows))
    np.testing.assert_array_equal(sums, rows)


def test_as_many_requests_are_computed_at_once_as_inter_op_says(model):
    class Session:
        """Counts the calls that run at once, and lets none end before there are two, if there may be."""

        def __init__(self, parties):
            self.running, self.most, self.lock = 0, 0, threading.Lock()
            self.meet = threading.Barrier(parties)

        def run(self, *_):
            with self.lock:
                self.running += 1
                self.most = max(self.most, self.running)
            self.meet.wait(timeout=30)
            with self.lock:
                self.running -= 1
            return [0]

    for at_once in (1, 2):
        session = Session(at_once)
        run = onnx_model._run(session, ["y"], threading.BoundedSemaphore(at_once))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _, run=run: run({}), range(8)))
        assert session.most == at_once


def test_a_conversion_without_an_output_of_the_signature_is_refused(tmp_path, folder, monkeypatch):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 8]) for name in ("b", "a", "sum")]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["sum"])], "g", values[:2], values[2:])
    converted = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 15)])
    onnx.checker.check_model(converted)
    monkeypatch.setattr(OnnxModel, "convert", lambda *_: converted.SerializeToString())
    monkeypatch.setattr(OnnxModel, "build", "another")
    with pytest.raises(ConversionError, match="has no difference, score"):
        OnnxModel("m", 1, folder, 1, 1)


def test_an_operation_that_onnx_runtime_does_not_know_is_named(folder, monkeypatch):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 8]) for name in ("a", "sum")]
    graph = helper.make_graph([helper.make_node("FooOp", ["a"], ["sum"])], "g", values[:1], values[1:])
    converted = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 15)])
    monkeypatch.setattr(OnnxModel, "convert", lambda *_: converted.SerializeToString())
    monkeypatch.setattr(OnnxModel, "build", "another")
    with pytest.raises(ConversionError, match=r"ONNX Runtime cannot compute it: .*FooOp"):
        OnnxModel("m", 1, folder, 1, 1)


def test_nothing_of_it_is_reported(tmp_path):
    """Where it reports, it keeps an id of the machine below the home folder as soon as it is loaded."""
    anywhere = {name: value for name, value in os.environ.items() if name not in {"CI", "GITHUB_ACTIONS"}}
    code = "import serving.model.onnx_runtime"
    environment = anywhere | {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []
