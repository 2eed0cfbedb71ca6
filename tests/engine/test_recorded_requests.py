"""Stacks that serve models of text, of a table and of ids, with generated and with recorded requests.

Each test goes on where the last one stopped.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.engine.harness import Stack
from tests.engine.measured_models import Case, measured, rows_of
from tests.support.example_models import SENTENCES, save_all

TABLE_AND_RECOMMENDER = [
    Case("table", "rest", "recorded"),
    Case("table", "grpc", "recorded"),
    Case("table", "grpc", "generated"),
    Case("recommender", "grpc", "recorded"),
    Case("recommender", "rest", "recorded"),
    Case("recommender", "rest", "generated"),
]
REFUSED = {"instances": ["forbidden"]}


def save_sampling_model(folder: Path) -> None:
    """Answers differently each time, with so many numbers that none is right by chance."""
    module = tf.Module()
    signature = tf.function(
        lambda text: {"out": tf.random.uniform((tf.shape(text)[0], 8))},
        input_signature=[tf.TensorSpec((None,), tf.string, "text")],
    )
    tf.saved_model.save(module, str(folder), signatures={"serving_default": signature})


def save_half_model(folder: Path) -> None:
    """Both types of half precision, in and out."""
    module = tf.Module()
    module.weights = tf.Variable(tf.cast(tf.random.stateless_normal((64, 8), (1, 2)), tf.float16))

    def score(pixels: tf.Tensor, brain: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"score": tf.nn.softmax(pixels @ module.weights), "brain": tf.square(brain)}

    specs = [tf.TensorSpec((None, 64), tf.float16, "pixels"), tf.TensorSpec((None,), tf.bfloat16, "brain")]
    tf.saved_model.save(module, str(folder), signatures={"serving_default": tf.function(score, specs)})


@pytest.fixture(scope="module", autouse=True)
def models(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_all(folder)
    stack.config["model"] = {"path": str(folder / "text")}
    return folder


@pytest.fixture(scope="module")
def recorded(models: Path) -> Path:
    path = models / "requests.jsonl"
    path.write_text("\n".join(map(json.dumps, SENTENCES)))
    return path


def test_text_is_generated_where_nothing_is_recorded(stack: Stack) -> None:
    stack.must_up()
    (run,) = stack.runs()
    assert run.validity.reasons == ()
    assert run.serving.model.requests == "serving_default text string [1] of sentences"
    assert run.serving.model.instances == 1


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_recorded_requests_are_sent_as_often_as_each_other(stack: Stack, recorded: Path, protocol: str) -> None:
    stack.config["payload"] = {"path": str(recorded)}
    stack.config["serving"]["protocol"] = protocol
    stack.must_up()
    run = stack.runs()[-1]
    assert run.validity.reasons == ()
    assert run.serving.model.requests.startswith("serving_default, 3 recorded requests, sha256 ")
    assert run.serving.model.instances == pytest.approx(8 / 3)
    sent = rows_of(stack, run)["request_bytes"].value_counts()
    assert len(sent) == 3
    assert sent.max() - sent.min() <= 1
    if protocol == "rest":
        assert set(sent.index) == {len(json.dumps(line)) for line in SENTENCES}


def test_a_line_that_the_model_does_not_take_is_an_error_of_the_preview(stack: Stack, recorded: Path) -> None:
    recorded.write_text("\n".join(map(json.dumps, [*SENTENCES, {"instances": [1]}])))
    failed = stack.run("preview")
    assert failed.returncode != 0
    assert "line 4 has the input 'text', which has '1', but the model takes text there" in failed.stdout
    assert "Traceback" not in failed.stdout + failed.stderr


def test_a_request_that_the_server_refuses_ends_the_update_with_the_servers_words(stack: Stack, recorded: Path) -> None:
    recorded.write_text("\n".join(map(json.dumps, [*SENTENCES, REFUSED])))
    before = len(stack.runs())
    failed = stack.up()
    assert failed.returncode != 0
    assert "refused the request 4 of 4" in failed.stdout
    assert "a forbidden word" in failed.stdout
    assert len(stack.runs()) == before


def test_a_model_that_answers_differently_each_time_is_said_so(stack: Stack, models: Path) -> None:
    save_sampling_model(models / "sampling")
    stack.config["model"] = {"path": str(models / "sampling")}
    stack.config["serving"]["protocol"] = "rest"
    del stack.config["payload"]
    failed = stack.up()
    assert failed.returncode != 0
    assert "wrong_answer" in failed.stdout
    assert "shapebench:payload.check" in failed.stdout
    stack.config["payload"] = {"check": "shape"}
    stack.must_up()
    assert stack.runs()[-1].validity.reasons == ()


@pytest.mark.parametrize("case", TABLE_AND_RECOMMENDER, ids="-".join)
def test_a_table_of_named_inputs_and_a_recommender_of_half_a_gigabyte_are_measured(
    stack: Stack, models: Path, case: Case
) -> None:
    _, rows = measured(stack, models, case)
    assert rows["ok"].all()


def test_half_precision_is_refused_over_rest_and_measured_over_grpc(stack: Stack, models: Path) -> None:
    save_half_model(models / "half")
    chance = np.random.default_rng(1)
    np.savez(models / "half.npz", pixels=chance.random((20, 64)).astype(np.float16), brain=chance.random(20))
    stack.config["model"] = {"path": str(models / "half")}
    stack.config["payload"] = {"path": str(models / "half.npz")}
    stack.config["serving"]["protocol"] = "rest"
    refused = stack.run("preview")
    assert refused.returncode != 0
    carried = "brain (bfloat16), pixels (float16), brain (bfloat16), score (float16)"
    assert f"TensorFlow Serving's REST API can carry no values of {carried}; set shapebench:serving" in refused.stdout
    stack.config["serving"]["protocol"] = "grpc"
    stack.must_up()
    run = stack.runs()[-1]
    assert run.validity.reasons == ()
    assert rows_of(stack, run)["ok"].all()
