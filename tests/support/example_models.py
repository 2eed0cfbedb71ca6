"""Three models that are served in tests of each platform, and recorded requests to each. Imports TensorFlow.

`python -m tests.support.example_models FOLDER` saves all of them, for tests that do not need TensorFlow otherwise.
"""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from stacks.server.models import VERSION

SENTENCES = [
    {"instances": ["good"]},
    {"instances": ["bad", "so so"]},
    {"inputs": {"text": ["quite good", "not so bad", "never again", "the best", "no"]}},
]
_ITEMS = 1_300_000


def save_text_model(folder: Path) -> None:
    """Text in; a score and a label out. One word is an error of the model's own."""
    module = tf.Module()

    def classify(text: tf.Tensor) -> dict[str, tf.Tensor]:
        with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(text != "forbidden"), ["a forbidden word"])]):
            score = tf.cast(tf.strings.length(text), tf.float32) / 100
        return {"score": score, "label": tf.where(score > 0.05, "long", "short")}

    signature = tf.function(classify, input_signature=[tf.TensorSpec((None,), tf.string, "text")])
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
    module.table = tf.Variable(tf.random.stateless_uniform((_ITEMS, 100), (1, 2)))

    def recommend(user: tf.Tensor, items: tf.Tensor) -> dict[str, tf.Tensor]:
        found = tf.gather(module.table, items)
        scores = tf.einsum("nd,nkd->nk", tf.gather(module.table, user), found)
        return {"scores": scores, "best": tf.argmax(scores, 1)}

    specs = [tf.TensorSpec((None,), tf.int64, "user"), tf.TensorSpec((None, None), tf.int64, "items")]
    tf.saved_model.save(module, str(folder), signatures={"serving_default": tf.function(recommend, specs)})


def save_all(folder: Path) -> None:
    """Each model in a folder of its name, and its recorded requests beside that: tests.engine.measured_models."""
    save_text_model(folder / "text" / VERSION)
    (folder / "text.jsonl").write_text("\n".join(map(json.dumps, SENTENCES)))
    chance = np.random.default_rng(1)
    save_table_model(folder / "table" / VERSION)
    np.savez(
        folder / "table.npz",
        age=chance.uniform(20, 80, (50, 1)).astype(np.float32),
        income=chance.normal(size=(50, 4)).astype(np.float32),
        country=chance.integers(0, 20, (50, 1)),
    )
    save_recommender(folder / "recommender" / VERSION)
    items = [chance.integers(0, _ITEMS, length).tolist() for length in (5, 50, 500)]
    recorded = [{"instances": [{"user": 7, "items": item}]} for item in items]
    (folder / "recommender.jsonl").write_text("\n".join(map(json.dumps, recorded)))


if __name__ == "__main__":
    save_all(Path(sys.argv[1]))
