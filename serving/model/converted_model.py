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
    ConversionError,
    LoadedModel,
    SavedModel,
    input_spec,
)
from serving.model.signature import Computation, InputSpec, Outputs, Run, Signature, Tensors
from stacks.server.models import DEFAULT_SIGNATURE

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
        kept = folder.parent.parent / f"{self.build}-{tree_digest(folder.resolve())[:12]}"
        run, self.computation = self._kept(kept) if (kept / RECORD).exists() else self._converted(folder, kept)
        self.signatures = {DEFAULT_SIGNATURE: self._signature(run)}

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

    def _kept(self, kept: Path) -> tuple[Run, Computation]:
        """From the folder beside the model's, if these files were converted before."""
        record = json.loads((kept / RECORD).read_text())
        _log.info("converted before: %s", json.dumps(record))
        run, precision = self.compiled(self.read(kept))
        return run, Computation(precision, record[_DIFFERENCE])

    def _converted(self, folder: Path, kept: Path) -> tuple[Run, Computation]:
        """Converts the model, compares its answers with TensorFlow's, and keeps it."""
        try:
            converted = self.convert(folder)
            run, precision = self.compiled(converted)
        except Exception as error:
            reason = (str(error).strip() or repr(error)).splitlines()[-1]
            raise ConversionError(f"{self.runtime} cannot compute it: {reason}") from error
        difference = self._largest_difference(folder, run)
        if difference > _TOLERANCE:
            raise ConversionError(
                f"{self.runtime}'s answers differ from TensorFlow's by {difference:.1e} of their largest number, and"
                f" {_TOLERANCE:g} is allowed, so it would be another model"
            )
        difference = float(f"{difference:.2e}")
        self._keep(converted, kept, {"build": self.build, _DIFFERENCE: difference})
        return run, Computation(precision, difference)

    def _keep(self, converted: Converted, kept: Path, record: dict[str, object]) -> None:
        _log.info("converted: %s", json.dumps(record))
        try:
            kept.mkdir(parents=True, exist_ok=True)
            self.save(converted, kept)
            # Last: what has a record is whole.
            (kept / RECORD).write_text(json.dumps(record) + "\n")
        except (OSError, RuntimeError) as error:  # a container's file system may be read-only
            _log.info("the converted model is not kept: %s", error)

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
    equal = (exact == found) | (np.isnan(exact) & np.isnan(found))
    with np.errstate(invalid="ignore"):  # infinity less infinity, where both are equal
        worst = float(np.max(np.abs(exact - found), initial=0.0, where=~equal))
    most = float(np.max(np.abs(exact), initial=0.0, where=np.isfinite(exact))) or 1.0
    # NaN where TensorFlow has a number is no small difference.
    return float("inf") if np.isnan(worst) else worst / most
