"""Writes ResNet50, with its preprocessing in the graph, as a SavedModel. Imports TensorFlow.

Random weights are the same on every machine and keep the activations in range. Keras' own initialisers leave batch
normalisation at mean 0 and variance 1, so in an untrained ResNet50 activations grow from block to block until the
softmax is one-hot. Here the scale of each layer follows from the architecture and the random numbers come from NumPy's
generator, so the bytes depend neither on the processor nor on a forward pass.
"""

from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from stacks.server.models import RESNET50

(_INPUT,), (_OUTPUT,) = RESNET50.inputs, RESNET50.outputs
SEED = 20220728
# Mean square of a photograph's pixels after mean subtraction, about 70 grey levels squared. He-initialised filters
# double it, so conv1's normalisation divides by twice this.
_PIXEL_MEAN_SQUARE = 70.0**2
# The last normalisation of each residual branch is scaled down, so that 16 branches add up instead of exploding.
_RESIDUAL_GAMMA = 0.25
# With 2048 pooled features, each near 1, the logits have a standard deviation of about 1: the softmax is neither
# flat nor one-hot.
_LOGIT_SCALE = 0.015
_WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"


def write_saved_model(network: keras.Model, version_folder: Path) -> None:
    """Write the network and its warm-up file to `version_folder`, for example `…/resnet/1`."""

    def serve(image_input: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = keras.applications.resnet50.preprocess_input(image_input)
        return {_OUTPUT.name: network(pixels, training=False)}

    image = tf.TensorSpec(_INPUT.shape, _INPUT.dtype, name=_INPUT.name)
    module = tf.Module()
    module.variables_of_network = [variable.value for variable in network.variables]
    tf.saved_model.save(
        module, str(version_folder), signatures={RESNET50.signature: tf.function(serve, input_signature=[image])}
    )
    # It is optional and holds a random UUID: without it, equal weights give an equal digest.
    (version_folder / "fingerprint.pb").unlink(missing_ok=True)
    _write_warmup_requests(version_folder / _WARMUP_FILE)


def warmup_image() -> NDArray[np.float32]:
    """An image of colour gradients, float32 [1, 224, 224, 3], 0 to 255."""
    rows, columns = np.mgrid[0:224, 0:224].astype(np.float32)
    channels = (columns, rows, (rows + columns) / 2)
    return np.stack([channel * np.float32(255 / 223) for channel in channels], axis=-1)[np.newaxis]


def random_value(rng: np.random.Generator, path: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The value of the Keras variable `path`, for example `conv2_block1_1_conv/kernel`."""
    layer, kind = path.split("/")[-2:]
    if kind == "kernel":
        fan_in = int(np.prod(shape[:-1]))
        scale = _LOGIT_SCALE if layer == "predictions" else np.sqrt(2.0 / fan_in)
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(scale)
    if kind == "gamma":
        return np.full(shape, _RESIDUAL_GAMMA if layer.endswith("_3_bn") else 1.0, dtype=np.float32)
    if kind == "moving_variance":
        return np.full(shape, 2 * _PIXEL_MEAN_SQUARE if layer == "conv1_bn" else 1.0, dtype=np.float32)
    return np.zeros(shape, dtype=np.float32)


def network_with(weights: Literal["imagenet", "random"]) -> keras.Model:
    """ResNet50. Raises any Exception where the pretrained weights cannot be downloaded or read."""
    if weights == "imagenet":
        return keras.applications.ResNet50(weights="imagenet", name=_OUTPUT.name)
    network = keras.applications.ResNet50(weights=None, name=_OUTPUT.name)
    rng = np.random.default_rng(SEED)
    for variable in network.variables:
        variable.assign(random_value(rng, variable.path, tuple(variable.shape)))
    return network


def _write_warmup_requests(path: Path) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = RESNET50.name
    request.model_spec.signature_name = RESNET50.signature
    request.inputs[_INPUT.name].CopyFrom(tf.make_tensor_proto(warmup_image()))
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString(deterministic=True))
