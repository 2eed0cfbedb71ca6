"""A stack whose model is computed by one runtime after another. Each test goes on where the last one stopped."""

import json
from pathlib import Path

import pytest
import tensorflow as tf

from analysis.results.schema.manifest import Computation
from analysis.verdict.variants import comparable
from tests.engine.harness import CHECKOUT, Stack

CONVERTING = ("shapebench-onnxruntime", "shapebench-openvino")


@pytest.fixture(scope="module", autouse=True)
def model(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    module = tf.Module()
    module.weights = tf.Variable(tf.random.stateless_normal((16, 4), (1, 2)))
    score = tf.function(
        lambda x: {"score": tf.nn.softmax(x @ module.weights)}, input_signature=[tf.TensorSpec((None, 16), name="x")]
    )
    folder = tmp_path_factory.mktemp("models") / "scores"
    tf.saved_model.save(module, str(folder / "1"), signatures={"serving_default": score})
    stack.config["model"] = {"path": str(folder)}
    return folder


def test_each_server_of_the_same_model_is_measured_and_is_a_variant(stack: Stack) -> None:
    stack.must_up()
    for server in ("onnxruntime", "openvino"):
        stack.config["local"]["server"] = server
        stack.must_up()
    runs = stack.runs()
    assert [run.serving.server for run in runs] == ["shapebench-embedded", *CONVERTING]
    assert [run.validity.reasons for run in runs] == [(), (), ()]
    assert len({run.serving.model.digest for run in runs}) == 1
    variants, excluded = comparable(runs)
    assert (len(variants), excluded) == (3, ())


def test_a_manifest_has_the_precision_and_the_difference_that_is_kept_with_the_converted_model(stack: Stack) -> None:
    embedded, *converting = stack.runs()
    assert embedded.serving.computation is None, "TensorFlow has converted nothing"
    folder = CHECKOUT / f".cache/models/own-{embedded.serving.model.digest[:12]}"
    for run, build in zip(converting, ("onnxruntime-*-tf2onnx-*", "openvino-*"), strict=True):
        (kept,) = folder.glob(f"{build}/conversion.json")
        difference = json.loads(kept.read_text())["largest difference from TensorFlow"]
        assert run.serving.computation == Computation(precision="float32", largest_difference=difference)
        assert difference < 1e-5
    assert "converted: " in Path(stack.outputs()["serverLog"]).read_text()


def test_over_grpc_and_in_batches_it_answers_as_well(stack: Stack) -> None:
    stack.config["serving"]["protocol"] = "grpc"
    stack.config["serving"]["batching"] = {
        "maxBatchSize": 4, "batchTimeoutMicros": 1000, "maxEnqueuedBatches": 8, "numBatchThreads": 2
    }  # fmt: skip
    stack.must_up()
    *_, run = stack.runs()
    assert (run.serving.server, run.validity.reasons) == ("shapebench-openvino", ())
