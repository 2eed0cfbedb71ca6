"""ResNet50 with its preprocessing inside the graph, written as a SavedModel version. Imports TensorFlow."""

from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving.export.weights import SEED, random_value

INPUT = "image_input"
OUTPUT = "resnet50"
SIGNATURE = "serving_default"
IMAGE_SHAPE = (224, 224, 3)
_WARMUP_FILE = "assets.extra/tf_serving_warmup_requests"


def write_saved_model(weights: Literal["imagenet", "random"], version_folder: Path) -> None:
    """Write the model and its warm-up record to `version_folder`, for example `…/resnet/1`."""
    network = _network(weights)

    def serve(image_input: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = keras.applications.resnet50.preprocess_input(image_input)
        return {OUTPUT: network(pixels, training=False)}

    image = tf.TensorSpec((None, *IMAGE_SHAPE), tf.float32, name=INPUT)
    module = tf.Module()
    module.variables_of_network = [variable.value for variable in network.variables]
    tf.saved_model.save(
        module, str(version_folder), signatures={SIGNATURE: tf.function(serve, input_signature=[image])}
    )
    # Optional to every reader, and it holds a random UUID: without it, equal weights give an equal digest.
    (version_folder / "fingerprint.pb").unlink(missing_ok=True)
    _write_warmup_requests(version_folder / _WARMUP_FILE)


def warmup_image() -> NDArray[np.float32]:
    """A smooth coloured picture, float32 [1, 224, 224, 3] in 0 to 255."""
    rows, columns = np.mgrid[0:224, 0:224].astype(np.float32)
    channels = (columns, rows, (rows + columns) / 2)
    return np.stack([channel * np.float32(255 / 223) for channel in channels], axis=-1)[np.newaxis]


def _network(weights: Literal["imagenet", "random"]) -> keras.Model:
    if weights == "imagenet":
        return keras.applications.ResNet50(weights="imagenet", name=OUTPUT)
    network = keras.applications.ResNet50(weights=None, name=OUTPUT)
    rng = np.random.default_rng(SEED)
    for variable in network.variables:
        variable.assign(random_value(rng, variable.path, tuple(variable.shape)))
    return network


def _write_warmup_requests(path: Path) -> None:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "resnet"
    request.model_spec.signature_name = SIGNATURE
    request.inputs[INPUT].CopyFrom(tf.make_tensor_proto(warmup_image()))
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(log.SerializeToString(deterministic=True))
