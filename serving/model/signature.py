"""A signature of a model: its inputs and outputs, and the check that a request fits. Does not import TensorFlow."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.errors import invalid_argument

Tensors = Mapping[str, NDArray[Any]]
Outputs = dict[str, NDArray[Any]]
Run = Callable[[Tensors], Outputs]


@dataclass(frozen=True)
class Computation:
    """How a converted model is computed: in which precision, such as `float32`, and how exactly.

    `largest_difference` is between its answers and TensorFlow's, as a share of the largest number.
    """

    precision: str
    largest_difference: float


@dataclass(frozen=True)
class InputSpec:
    """An input's type and shape. A dimension, or the whole shape, is None if the model accepts any."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...] | None

    def check(self, value: NDArray[Any]) -> None:
        """Raises INVALID_ARGUMENT, naming this input, if the model cannot take `value`."""
        self.check_type(value.dtype.name, value.shape)
        # NumPy's kind of bfloat16 is not that of floats.
        if "float" in self.dtype.name and not np.isfinite(value).all():
            raise invalid_argument(f"Input '{self.name}' contains NaN or infinite values, which this server rejects")

    def check_type(self, dtype: str, shape: Sequence[int]) -> None:
        """Raises INVALID_ARGUMENT, naming this input, if the model takes no tensor of this type and shape."""
        if dtype != self.dtype.name:
            raise invalid_argument(f"Input '{self.name}' expects {self.dtype.name} but {dtype} is provided")
        if not self._fits(shape):
            raise invalid_argument(
                f"Input '{self.name}' expects shape {shape_text(self.shape or ())} but got {shape_text(shape)}"
            )

    def _fits(self, shape: Sequence[int]) -> bool:
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            expected is None or expected == size for expected, size in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True)
class Signature:
    """A named function of the model. `run` takes inputs that `check` has passed."""

    name: str
    inputs: Mapping[str, InputSpec]
    output_names: tuple[str, ...]
    run: Run

    def check(self, inputs: Tensors) -> None:
        """Raises INVALID_ARGUMENT, naming the problem, unless `inputs` are exactly what this signature takes."""
        self.check_names(inputs)
        for name, value in inputs.items():
            self.inputs[name].check(value)

    def check_names(self, inputs: Collection[str]) -> None:
        """Raises INVALID_ARGUMENT, with the names, unless they are the names of the inputs."""
        if set(inputs) != set(self.inputs):
            extra, missing = sorted(set(inputs) - set(self.inputs)), sorted(set(self.inputs) - set(inputs))
            raise invalid_argument(
                f"input size does not match signature: {len(inputs)}!={len(self.inputs)}. "
                f"Sent extra: {{{','.join(extra)}}}. Missing but required: {{{','.join(missing)}}}."
            )


def shape_text(shape: Sequence[int | None]) -> str:
    """A shape as errors show it, for example `[?,224,224,3]`."""
    return f"[{','.join('?' if size is None else str(size) for size in shape)}]"
