"""Freezes a convolution with batch normalisation in this process."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import rewriter_config_pb2

from serving.model import frozen as frozen_module
from serving.model.frozen import frozen


class Block(tf.Module):
    """What ResNet50 with random weights has 53 of: a convolution whose bias is zero, and batch normalisation."""

    def __init__(self):
        random = np.random.default_rng(2)
        self.filters = tf.Variable(random.standard_normal((3, 3, 3, 8)).astype(np.float32))
        self.bias = tf.Variable(np.zeros(8, np.float32))
        self.mean, self.offset, self.scale = (
            tf.Variable(random.standard_normal(8).astype(np.float32)) for _ in range(3)
        )
        self.variance = tf.Variable(random.uniform(0.5, 2, 8).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec((None, 16, 16, 3), tf.float32, name="image")])
    def serve(self, image):
        convolved = tf.nn.bias_add(tf.nn.conv2d(image, self.filters, 1, "SAME"), self.bias)
        return tf.nn.relu(tf.nn.batch_normalization(convolved, self.mean, self.variance, self.offset, self.scale, 1e-5))


@pytest.fixture
def block():
    """A fixture of its own, so that it outlives its function, which does not keep its variables."""
    return Block()


@pytest.fixture
def function(block):
    return block.serve.get_concrete_function()


@pytest.fixture
def operations(monkeypatch):
    """The kinds of operations, with their numbers, in each graph that a session was given; constants are left out."""
    counts = []
    session_call = frozen_module._session_call

    def recorded(graph, inputs, outputs):
        counts.append(Counter(operation.type for operation in graph.get_operations() if operation.type != "Const"))
        return session_call(graph, inputs, outputs)

    monkeypatch.setattr(frozen_module, "_session_call", recorded)
    return counts


def test_batch_normalisation_is_folded_into_the_convolution_as_by_all_of_tensorflows_optimisers(
    function, operations, monkeypatch
):
    frozen(function)
    monkeypatch.setattr(frozen_module, "_OPTIMIZERS", ())  # TensorFlow's own choice
    monkeypatch.setattr(frozen_module, "_ROUNDS", rewriter_config_pb2.RewriterConfig.DEFAULT_NUM_ITERS)
    frozen(function)
    few, all_of_them = operations
    assert few == all_of_them
    assert few["Conv2D"] == 1
    assert few["Mul"] == 0


def test_a_frozen_function_answers_as_the_function_does(function):
    image = np.random.default_rng(3).standard_normal((2, 16, 16, 3)).astype(np.float32)
    (answer,) = frozen(function)(image)
    np.testing.assert_allclose(answer, function(tf.constant(image)), atol=1e-5)


class Lookup(tf.Module):
    """A table of embeddings, of 32 kB, and a row of it for each id."""

    def __init__(self):
        self.table = tf.Variable(np.random.default_rng(4).standard_normal((1000, 8)).astype(np.float32))

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.int64, name="ids")])
    def serve(self, ids):
        return tf.gather(self.table, ids % tf.shape(self.table, tf.int64)[0])


def test_a_large_table_is_not_shown_to_the_optimisers_which_would_copy_it(monkeypatch):
    shown = []
    optimize = frozen_module.tf_optimizer.OptimizeGraph

    def recorded(config, meta_graph):
        shown.append(meta_graph.ByteSize())
        return optimize(config, meta_graph)

    monkeypatch.setattr(frozen_module.tf_optimizer, "OptimizeGraph", recorded)
    monkeypatch.setattr(frozen_module, "_LARGE_BYTES", 10_000)
    lookup = Lookup()
    (answer,) = frozen(lookup.serve.get_concrete_function())(np.array([3, 1001]))
    np.testing.assert_array_equal(answer, lookup.table.numpy()[[3, 1]])
    assert shown[0] < 10_000
