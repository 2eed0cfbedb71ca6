"""Random ResNet50 weights that are the same on every machine and let a forward pass stay tame.

Keras' own initialisers leave batch normalisation at mean 0 and variance 1, so an untrained ResNet50 grows its
activations from block to block until the softmax is one-hot. Here every constant follows from the architecture, and
every random number from NumPy's generator, so neither the processor nor a forward pass has a say in the bytes.
"""

import numpy as np
from numpy.typing import NDArray

SEED = 20220728
# Mean square of a photograph's pixels after mean subtraction, about 70 grey levels squared. He-initialised filters
# double it, so this is what conv1's normalisation has to divide by.
_PIXEL_MEAN_SQUARE = 70.0**2
# The last normalisation of each residual branch is scaled down, so that 16 branches add up instead of exploding.
_RESIDUAL_GAMMA = 0.25
# There are 2048 pooled features, each near 1: logits then deviate by about 1, so that the softmax is neither flat nor
# one-hot.
_LOGIT_SCALE = 0.015


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
