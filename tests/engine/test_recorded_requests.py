"""Stacks that serve models of text, of a table and of ids, with generated and with recorded requests.

Each test goes on where the last one stopped.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from tests.engine.harness import Stack

LINES = [
    {"instances": ["good"]},
    {"instances": ["bad", "so so"]},
    {"inputs": {"text": ["quite good", "not so bad", "never again", "the best", "no"]}},
]
REFUSED = {"instances": ["forbidden"]}


def save_text_model(folder: Path) -> None:
    """Text in; a score and a label out. One word is an error of the model's own."""
    module = tf.Module()

    def classify(text: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(text != "forbidden"), ["a forbidden word"])]):
            score = tf.cast(tf.strings.length(text), tf.float32) / 100
        return {"score": score, "label": tf.where(score > 0.05, "long", "short")}

    signature = tf.function(classify, input_signature=[tf.TensorSpec((None,), tf.string, "text")])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": signature})


def save_sampling_model(folder: Path) -> None:
    """Answers differently each time."""
    module = tf.Module()
    signature = tf.function(
        lambda text: {"out": tf.random.uniform(tf.shape(text))},
        input_signature=[tf.TensorSpec((None,), tf.string, "text")],
    )
    tf.saved_model.save(module, str(folder), signatures={"serving_default": signature})


def save_table_model(folder: Path) -> None:
    """Three named inputs, exported by Keras."""
    age, income = keras.Input((1,), name="age"), keras.Input((4,), name="income")
    country = keras.Input((1,), name="country", dtype="int32")
    embedded = keras.layers.Flatten()(keras.layers.Embedding(20, 3)(country))
    joined = keras.layers.Concatenate()([age, income, embedded])
    out = keras.layers.Dense(1, activation="sigmoid", name="risk")(keras.layers.Dense(8)(joined))
    keras.Model({"age": age, "income": income, "country": country}, out).export(folder, verbose=False)


def save_recommender(folder: Path) -> None:
    """A table of 520 MB, and as many ids as a request has."""
    module = tf.Module()
    module.table = tf.Variable(tf.random.stateless_uniform((1_300_000, 100), (1, 2)))

    def recommend(user: tf.Tensor, items: tf.Tensor) -> dict[str, tf.Tensor]:
        found = tf.gather(module.table, items)
        scores = tf.einsum("nd,nkd->nk", tf.gather(module.table, user), found)
        return {"scores": scores, "best": tf.argmax(scores, 1)}

    specs = [tf.TensorSpec((None,), tf.int64, "user"), tf.TensorSpec((None, None), tf.int64, "items")]
    tf.saved_model.save(module, str(folder), signatures={"serving_default": tf.function(recommend, specs)})


def save_half_model(folder: Path) -> None:
    """Both types of half precision, in and out."""
    module = tf.Module()
    module.weights = tf.Variable(tf.cast(tf.random.stateless_normal((64, 8), (1, 2)), tf.float16))

    def score(pixels: tf.Tensor, brain: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"score": tf.nn.softmax(pixels @ module.weights), "brain": tf.square(brain)}

    specs = [tf.TensorSpec((None, 64), tf.float16, "pixels"), tf.TensorSpec((None,), tf.bfloat16, "brain")]
    tf.saved_model.save(module, str(folder), signatures={"serving_default": tf.function(score, specs)})


def column(stack: Stack, name: str) -> "pd.Series[int]":
    """Of the rows of the newest run."""
    (folder,) = stack.results.glob(f"requests/stack=*/run_id={stack.runs()[-1].run_id}")
    return pd.read_parquet(folder)[name]


@pytest.fixture(scope="module", autouse=True)
def models(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_text_model(folder / "text")
    stack.config["model"] = {"path": str(folder / "text")}
    return folder


@pytest.fixture(scope="module")
def recorded(models: Path) -> Path:
    path = models / "requests.jsonl"
    path.write_text("\n".join(map(json.dumps, LINES)))
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
    sent = column(stack, "request_bytes").value_counts()
    assert len(sent) == 3
    assert sent.max() - sent.min() <= 1
    if protocol == "rest":
        assert set(sent.index) == {len(json.dumps(line)) for line in LINES}


def test_a_line_that_the_model_does_not_take_is_an_error_of_the_preview(stack: Stack, recorded: Path) -> None:
    recorded.write_text("\n".join(map(json.dumps, [*LINES, {"instances": [1]}])))
    failed = stack.run("preview")
    assert failed.returncode != 0
    assert "line 4 has the input 'text', which has '1', but the model takes text there" in failed.stdout
    assert "Traceback" not in failed.stdout + failed.stderr


def test_a_request_that_the_server_refuses_ends_the_update_with_the_servers_words(stack: Stack, recorded: Path) -> None:
    recorded.write_text("\n".join(map(json.dumps, [*LINES, REFUSED])))
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


@pytest.mark.parametrize(("protocol", "sent"), [("rest", "recorded"), ("grpc", "recorded"), ("grpc", "generated")])
def test_a_table_with_named_inputs_is_measured(stack: Stack, models: Path, protocol: str, sent: str) -> None:
    if not (models / "table").exists():
        save_table_model(models / "table")
        chance = np.random.default_rng(1)
        np.savez(
            models / "table.npz",
            age=chance.uniform(20, 80, (50, 1)).astype(np.float32),
            income=chance.normal(size=(50, 4)).astype(np.float32),
            country=chance.integers(0, 20, (50, 1)),
        )
    stack.config["model"] = {"path": str(models / "table")}
    stack.config["payload"] = {"path": str(models / "table.npz")} if sent == "recorded" else {"check": "values"}
    stack.config["serving"]["protocol"] = protocol
    stack.must_up()
    run = stack.runs()[-1]
    assert run.validity.reasons == ()
    assert run.serving.model.requests.startswith(
        "serving_default, 50 recorded requests, "
        if sent == "recorded"
        else "serving_default age float32 [1, 1] from 0 to 1; "
    )
    assert column(stack, "ok").all()


@pytest.mark.parametrize("protocol", ["rest", "grpc"])
def test_a_recommender_of_half_a_gigabyte_is_served_from_where_it_is(stack: Stack, models: Path, protocol: str) -> None:
    path = models / "items.jsonl"
    if not path.exists():
        save_recommender(models / "recommender")
        chance = np.random.default_rng(1)
        items = [chance.integers(0, 1_300_000, length).tolist() for length in (5, 50, 500)]
        path.write_text("\n".join(json.dumps({"instances": [{"user": 7, "items": each}]}) for each in items))
    stack.config["model"] = {"path": str(models / "recommender")}
    stack.config["payload"] = {"path": str(path)}
    stack.config["serving"]["protocol"] = protocol
    stack.must_up()
    run = stack.runs()[-1]
    assert run.validity.reasons == ()
    assert column(stack, "request_bytes").nunique() == 3
    assert column(stack, "ok").all()


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
    assert stack.runs()[-1].validity.reasons == ()
    assert column(stack, "ok").all()
