"""What a model's signature takes and gives, and whether a request fits it. Knows nothing of TensorFlow."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from serving.api.errors import invalid_argument

Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class InputSpec:
    """What an input takes. A dimension, or the whole shape, is None where the model leaves it open."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | None, ...] | None

    def check(self, value: NDArray[Any]) -> None:
        """Raises INVALID_ARGUMENT, naming this input, where the model could not take `value`."""
        if value.dtype != self.dtype:
            raise invalid_argument(f"Input '{self.name}' expects {self.dtype.name} but {value.dtype.name} is provided")
        if not self._fits(value.shape):
            expected = "[" + ",".join("?" if size is None else str(size) for size in self.shape or ()) + "]"
            raise invalid_argument(
                f"Input '{self.name}' expects shape {expected} but got [{','.join(map(str, value.shape))}]"
            )
        if self.dtype.kind == "f" and not np.isfinite(value).all():
            raise invalid_argument(f"Input '{self.name}' holds NaN or infinite values, which this server refuses")

    def _fits(self, shape: tuple[int, ...]) -> bool:
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            want is None or want == size for want, size in zip(self.shape, shape, strict=True)
        )


@dataclass(frozen=True)
class Signature:
    """One named way to call the model."""

    name: str
    inputs: Mapping[str, InputSpec]
    output_names: tuple[str, ...]
    run: Callable[[Tensors], dict[str, NDArray[Any]]]

    def check(self, inputs: Tensors) -> None:
        """Raises INVALID_ARGUMENT, naming the problem, where `inputs` are not exactly what this signature takes."""
        if set(inputs) != set(self.inputs):
            extra, missing = sorted(set(inputs) - set(self.inputs)), sorted(set(self.inputs) - set(inputs))
            raise invalid_argument(
                f"input size does not match signature: {len(inputs)}!={len(self.inputs)}. "
                f"Sent extra: {{{','.join(extra)}}}. Missing but required: {{{','.join(missing)}}}."
            )
        for name, value in inputs.items():
            self.inputs[name].check(value)
