"""A version of a SavedModel that OpenVINO computes: converted once, held against TensorFlow's answers, compiled.

Imports OpenVINO, and TensorFlow where the model was not converted before.
"""

import json
import logging
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tensorflow.core.protobuf import meta_graph_pb2

from serving.errors import Code, ServingError
from serving.model.loaded_model import DEFAULT_SIGNATURE, LoadedModel, SavedModel, input_spec
from serving.model.signature import InputSpec, Outputs, Run, Signature, Tensors

# It would report the import to its makers, over the network, from a process that is measured. Without the package
# OpenVINO takes a stub: openvino/tools/ovc/telemetry_utils.py.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
import openvino as ov  # noqa: E402 - see above

_MODEL, _RECORD = "model.xml", "conversion.json"
# How much an answer may differ from TensorFlow's, as a share of the largest number in it.
_TOLERANCE = 1e-3
# Of a dimension that may be any size, while answers are compared.
_ANY_SIZE = 2
_log = logging.getLogger(__name__)


class ConversionError(ValueError):
    """The model cannot be converted, or answers differently then."""


class OpenVinoModel(SavedModel):
    """Its default signature, which is the one that OpenVINO converts. Threads: `intra_op` in all, `inter_op` streams.

    0 threads is OpenVINO's choice. It computes in float32 on every CPU: bfloat16, its default where a CPU has it,
    would be another model.
    """

    def __init__(self, name: str, version: int, folder: Path, intra_op: int, inter_op: int) -> None:
        super().__init__(name, version, folder)
        definition = self.signature_defs.get(DEFAULT_SIGNATURE)
        if definition is None:
            raise ConversionError(f"it has no signature {DEFAULT_SIGNATURE}, the only one that OpenVINO converts")
        config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        config |= {"INFERENCE_NUM_THREADS": max(intra_op, inter_op)} if intra_op or inter_op else {}
        config |= {"NUM_STREAMS": inter_op} if inter_op else {}
        compiled = ov.Core().compile_model(_converted(self, folder, definition), "CPU", config)
        self.signatures = {DEFAULT_SIGNATURE: _signature(compiled, definition)}


def _converted(model: SavedModel, folder: Path, definition: meta_graph_pb2.SignatureDef) -> ov.Model:
    """The converted model, from the folder beside the model's where it is there; raises ConversionError."""
    kept = folder.parent.parent / f"openvino-{ov.__version__.partition('-')[0]}-{folder.name}"
    if (kept / _RECORD).exists():
        _log.info("converted before: %s", (kept / _RECORD).read_text().strip())
        return ov.Core().read_model(kept / _MODEL)
    try:
        converted = ov.convert_model(folder)
    except Exception as error:
        raise ConversionError(f"OpenVINO cannot convert it: {str(error).strip().splitlines()[-1]}") from error
    difference = _largest_difference(model, folder, converted, definition)
    if difference > _TOLERANCE:
        raise ConversionError(
            f"OpenVINO's answers differ from TensorFlow's by {difference:.1e} of their largest number, and"
            f" {_TOLERANCE:g} is allowed, so it would be another model"
        )
    record = {"openvino": ov.__version__, "largest difference from TensorFlow": float(f"{difference:.2e}")}
    _log.info("converted: %s", json.dumps(record))
    try:
        kept.mkdir(parents=True, exist_ok=True)
        ov.save_model(converted, kept / _MODEL, compress_to_fp16=False)
        # Last: what has a record is whole.
        (kept / _RECORD).write_text(json.dumps(record) + "\n")
    except (OSError, RuntimeError) as error:  # a container's file system may be read-only
        _log.info("the converted model is not kept: %s", error)
    return converted


def _largest_difference(
    model: SavedModel, folder: Path, converted: ov.Model, definition: meta_graph_pb2.SignatureDef
) -> float:
    """Between the answers of TensorFlow and OpenVINO to the same inputs, as a share of the largest number."""
    reference = LoadedModel(model.name, model.version, folder).signatures[DEFAULT_SIGNATURE]
    inputs = {name: _example(spec) for name, spec in reference.inputs.items()}
    compiled = ov.Core().compile_model(converted, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    right, found = reference.run(inputs), _signature(compiled, definition).run(inputs)
    return max(_difference(right[name], found[name]) for name in right)


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


def _signature(compiled: ov.CompiledModel, definition: meta_graph_pb2.SignatureDef) -> Signature:
    specs = {name: input_spec(name, info) for name, info in sorted(definition.inputs.items())}
    return Signature(DEFAULT_SIGNATURE, specs, tuple(sorted(definition.outputs)), _run(compiled, definition))


def _run(compiled: ov.CompiledModel, definition: meta_graph_pb2.SignatureDef) -> Run:
    """Runs the model for one thread at a time: each thread has a request of its own, and OpenVINO the streams."""
    own = threading.local()
    inputs, outputs = (
        _ports(of, infos)
        for of, infos in ((compiled.inputs, definition.inputs), (compiled.outputs, definition.outputs))
    )

    def run(values: Tensors) -> Outputs:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        try:
            found = own.request.infer({inputs[name]: value for name, value in values.items()}, share_inputs=True)
        except RuntimeError as error:
            raise ServingError(Code.INTERNAL, str(error).strip()) from error
        return {name: found[port] for name, port in outputs.items()}

    return run


def _ports(ports: Any, infos: Mapping[str, meta_graph_pb2.TensorInfo]) -> dict[str, Any]:  # noqa: ANN401 - untyped
    """The ports of the signature's names; raises ConversionError where one has none."""
    found = {name: port for port in ports for name, info in infos.items() if {name, info.name} & set(port.get_names())}
    if missing := infos.keys() - found.keys():
        raise ConversionError(f"OpenVINO's conversion has no {', '.join(sorted(missing))}")
    return found
