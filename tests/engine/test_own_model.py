"""A stack that serves a SavedModel of the user's own. Each test goes on where the last one stopped."""

from pathlib import Path

import pytest
import tensorflow as tf

from analysis.comparability import comparison_key
from serving.export.exporter import tree_digest
from tests.engine.harness import Stack


def save(folder: Path, answer: float) -> None:
    """Two inputs of any length, of which the second must be 0 or 1, and two outputs."""
    module = tf.Module()
    module.answer = tf.Variable([answer, 0.0])

    def classify(ids: tf.Tensor, kinds: tf.Tensor) -> dict[str, tf.Tensor]:
        chosen = tf.gather(module.answer, kinds)  # an error for any other value
        return {"score": tf.reduce_mean(chosen, 1), "longest": tf.reduce_max(ids, 1, keepdims=True)}

    ids, kinds = (tf.TensorSpec((None, None), tf.int32, name) for name in ("ids", "kinds"))
    signature = tf.function(classify, input_signature=[ids, kinds])
    tf.saved_model.save(module, str(folder), signatures={"classify": signature})


@pytest.fixture(scope="module", autouse=True)
def model(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tmp_path_factory.mktemp("models") / "sentences"
    save(model / "1", 0.25)
    save(model / "3", 0.5)
    stack.config["model"] = {"path": str(model), "signature": "classify", "ranges": {"ids": [0, 30521]}}
    return model


def test_before_anything_is_made_it_is_said_what_is_not_known(stack: Stack) -> None:
    failed = stack.run("preview")
    assert failed.returncode != 0
    assert "the model's input 'ids' takes [?] for an instance" in failed.stdout
    assert "set shapebench:model.shapes.ids, such as [128]" in failed.stdout
    assert "Traceback" not in failed.stdout + failed.stderr


def test_the_highest_version_is_served_and_measured(stack: Stack, model: Path) -> None:
    stack.config["model"]["shapes"] = {"ids": [16], "kinds": [16]}
    stack.must_up()
    (run,) = stack.runs()
    assert run.validity.reasons == ()
    assert (run.serving.model.name, run.serving.model.weights) == ("sentences", "own")
    assert run.serving.model.digest == tree_digest(model / "3", "1/")
    assert stack.outputs()["headline"]["goodput_rps"] > 0


def test_the_same_model_is_not_measured_again(stack: Stack) -> None:
    stack.must_up()
    assert len(stack.runs()) == 1


def test_over_grpc_the_same_requests_are_answered(stack: Stack) -> None:
    stack.config["serving"]["protocol"] = "grpc"
    stack.must_up()
    _, run = stack.runs()
    assert (run.serving.protocol, run.validity.reasons) == ("grpc", ())


def test_other_requests_are_measured_again_on_the_same_model(stack: Stack) -> None:
    stack.config["model"]["shapes"] = {"ids": [32], "kinds": [32]}
    stack.must_up()
    *_, before, run = stack.runs()
    assert run.serving.model.digest == before.serving.model.digest
    assert run.serving.model.requests == (
        "classify ids int32 [1, 32] from 0 to 30521; classify kinds int32 [1, 32] from 0 to 1"
    )
    assert comparison_key(run) != comparison_key(before), "more work for the server"
    assert len(stack.runs()) == 3


def test_changed_files_are_served_and_measured_again(stack: Stack, model: Path) -> None:
    save(model / "3", 0.75)
    stack.must_up()
    *_, before, run = stack.runs()
    assert len(stack.runs()) == 4
    assert run.serving.model.digest == tree_digest(model / "3", "1/") != before.serving.model.digest


def test_values_that_the_model_does_not_take_end_the_update_with_the_models_own_error(stack: Stack) -> None:
    stack.config["model"]["ranges"]["kinds"] = [2, 2]
    stack.config["serving"]["protocol"] = "rest"  # another variant, so the server is started again
    failed = stack.up()
    assert failed.returncode != 0
    said = failed.stdout.partition("Diagnostics:")[2]
    assert "refused the request: http_400 (" in said
    assert "indices[0,0] = 2 is not in [0, 2)" in said
    assert len(stack.runs()) == 4
