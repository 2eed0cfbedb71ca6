"""A stack whose model OpenVINO computes, after the embedded server. Each test goes on where the last one stopped."""

import json
from pathlib import Path

import pytest
import tensorflow as tf

from analysis.verdict.variants import comparable
from tests.engine.harness import CHECKOUT, Stack


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


def test_another_server_of_the_same_model_is_measured_and_is_another_variant(stack: Stack) -> None:
    stack.must_up()
    stack.config["local"]["server"] = "openvino"
    stack.must_up()
    embedded, openvino = stack.runs()
    assert (embedded.serving.server, openvino.serving.server) == ("shapebench-embedded", "shapebench-openvino")
    assert (embedded.validity.reasons, openvino.validity.reasons) == ((), ())
    assert embedded.serving.model == openvino.serving.model
    variants, excluded = comparable([embedded, openvino])
    assert (len(variants), excluded) == (2, ())


def test_what_it_was_converted_to_is_kept_with_the_difference_from_tensorflow(stack: Stack) -> None:
    digest = stack.runs()[-1].serving.model.digest
    (kept,) = (CHECKOUT / f".cache/models/own-{digest[:12]}").glob("openvino-*/conversion.json")
    assert json.loads(kept.read_text())["largest difference from TensorFlow"] < 1e-5
    computation = stack.runs()[-1].serving.computation
    assert computation.precision == "float32"
    assert computation.largest_difference == json.loads(kept.read_text())["largest difference from TensorFlow"]
    assert stack.runs()[0].serving.computation is None, "TensorFlow has converted nothing"
    assert "converted: " in Path(stack.outputs()["serverLog"]).read_text()


def test_over_grpc_and_in_batches_it_answers_as_well(stack: Stack) -> None:
    stack.config["serving"]["protocol"] = "grpc"
    stack.config["serving"]["batching"] = {
        "maxBatchSize": 4, "batchTimeoutMicros": 1000, "maxEnqueuedBatches": 8, "numBatchThreads": 2
    }  # fmt: skip
    stack.must_up()
    *_, run = stack.runs()
    assert (run.serving.server, run.validity.reasons) == ("shapebench-openvino", ())
