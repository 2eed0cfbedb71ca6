"""A version of a SavedModel that another runtime computes: converted once, compared with TensorFlow's answers, kept.

Imports TensorFlow.
"""

import json
import logging
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from serving.errors import Code, ServingError
from serving.export.exporter import tree_digest
from serving.model.loaded_model import (
    DEFAULT_SIGNATURE,
    ConversionError,
    LoadedModel,
    SavedModel,
    input_spec,
)
from serving.model.signature import Computation, InputSpec, Outputs, Run, Signature, Tensors

RECORD = "conversion.json"
_DIFFERENCE = "largest difference from TensorFlow"
# How much an answer may differ from TensorFlow's, as a share of the largest number in it.
_TOLERANCE = 1e-3
# Of a dimension that may be any size, while answers are compared.
_ANY_SIZE = 2
_log = logging.getLogger(__name__)

Converted = TypeVar("Converted")


class ConvertedModel(SavedModel, ABC, Generic[Converted]):
    """A model's default signature, computed by a runtime that needs the model in a format of its own.

    Construction raises ConversionError.
    """

    runtime: ClassVar[str]
    """What errors call it."""
    build: ClassVar[str]
    """The runtime and the converter with their versions: the conversion is kept under this name."""

    def __init__(self, name: str, version: int, folder: Path, intra_op: int = 0, inter_op: int = 0) -> None:
        super().__init__(name, version, folder, intra_op, inter_op)
        self.definition = self._convertible_signature()
        converted, difference = self._converted(folder)
        run, precision = self.compiled(converted)
        self.signatures = {DEFAULT_SIGNATURE: self._signature(run)}
        self.computation = Computation(precision, difference)

    @abstractmethod
    def convert(self, folder: Path) -> Converted:
        """The SavedModel in the runtime's format; raises an error whose last line is the reason."""

    @abstractmethod
    def save(self, converted: Converted, kept: Path) -> None:
        """Write the converted model into a folder."""

    @abstractmethod
    def read(self, kept: Path) -> Converted:
        """What `save` has written."""

    @abstractmethod
    def compiled(self, converted: Converted) -> tuple[Run, str]:
        """What computes the signature, from any number of threads, and the precision in which it does."""

    def _convertible_signature(self) -> meta_graph_pb2.SignatureDef:
        definition = self.signature_defs.get(DEFAULT_SIGNATURE)
        if definition is None:
            raise ConversionError(f"it has no signature {DEFAULT_SIGNATURE}, the only one that {self.runtime} serves")
        tensors = {**definition.inputs, **definition.outputs}
        if text := sorted(name for name, info in tensors.items() if info.dtype == types_pb2.DT_STRING):
            raise ConversionError(f"{', '.join(text)} is text, which {self.runtime} does not compute")
        return definition

    def _converted(self, folder: Path) -> tuple[Converted, float]:
        """The converted model and its difference, as kept beside the model's folder if these files were converted."""
        kept = folder.parent.parent / f"{self.build}-{tree_digest(folder.resolve())[:12]}"
        if (kept / RECORD).exists():
            record = json.loads((kept / RECORD).read_text())
            _log.info("converted before: %s", json.dumps(record))
            return self.read(kept), record[_DIFFERENCE]
        try:
            converted = self.convert(folder)
            run, _ = self.compiled(converted)
        except Exception as error:
            reason = (str(error).strip() or repr(error)).splitlines()[-1]
            raise ConversionError(f"{self.runtime} cannot compute it: {reason}") from error
        difference = self._largest_difference(folder, run)
        if difference > _TOLERANCE:
            raise ConversionError(
                f"{self.runtime}'s answers differ from TensorFlow's by {difference:.1e} of their largest number, and"
                f" {_TOLERANCE:g} is allowed, so it would be another model"
            )
        record = {"build": self.build, _DIFFERENCE: float(f"{difference:.2e}")}
        _log.info("converted: %s", json.dumps(record))
        try:
            kept.mkdir(parents=True, exist_ok=True)
            self.save(converted, kept)
            # Last: what has a record is whole.
            (kept / RECORD).write_text(json.dumps(record) + "\n")
        except (OSError, RuntimeError) as error:  # a container's file system may be read-only
            _log.info("the converted model is not kept: %s", error)
        return converted, record[_DIFFERENCE]

    def _largest_difference(self, folder: Path, run: Run) -> float:
        """Between TensorFlow's answers and those of `run` to the same inputs, as a share of the largest number."""
        reference = LoadedModel(self.name, self.version, folder).signatures[DEFAULT_SIGNATURE]
        inputs = {name: _example(spec) for name, spec in reference.inputs.items()}
        right, found = reference.run(inputs), run(inputs)
        return max(_difference(right[name], found[name]) for name in right)

    def _signature(self, run: Run) -> Signature:
        specs = {name: input_spec(name, info) for name, info in sorted(self.definition.inputs.items())}

        def checked(values: Tensors) -> Outputs:
            try:
                return run(values)
            except Exception as error:  # ONNX Runtime's have no base of their own
                raise ServingError(Code.INTERNAL, str(error).strip()) from error

        return Signature(DEFAULT_SIGNATURE, specs, tuple(sorted(self.definition.outputs)), checked)


def _example(spec: InputSpec) -> NDArray[Any]:
    """Numbers from 0 to 1, or of an image; zeros where they may be indices, of which only some are valid."""
    shape = [_ANY_SIZE if size is None else size for size in spec.shape or ()]
    generator = np.random.default_rng(1)
    if spec.dtype.kind == "f":
        return generator.random(shape).astype(spec.dtype)
    return generator.integers(0, 256, shape, np.uint8) if spec.dtype == np.uint8 else np.zeros(shape, spec.dtype)


def _difference(right: NDArray[Any], found: NDArray[Any]) -> float:
    if right.shape != found.shape or right.dtype != found.dtype:
        return float("inf")
    exact = right.astype(np.float64)
    most = float(np.max(np.abs(exact), initial=0.0)) or 1.0
    return float(np.max(np.abs(exact - found), initial=0.0)) / most
