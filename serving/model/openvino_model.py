"""A SavedModel that OpenVINO computes. Imports OpenVINO and TensorFlow."""

import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tensorflow.core.protobuf import meta_graph_pb2

from serving.model.converted_model import ConvertedModel
from serving.model.loaded_model import ConversionError
from serving.model.signature import Outputs, Run, Tensors

# It would report the import to its makers, over the network, from a process that is measured. Without the package
# OpenVINO takes a stub: openvino/tools/ovc/telemetry_utils.py.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
import openvino as ov  # noqa: E402 - see above

_MODEL = "model.xml"
_PRECISIONS = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


class OpenVinoModel(ConvertedModel[ov.Model]):
    """`intra_op` threads in all, in `inter_op` streams, each of which computes a request.

    It computes in float32 on every CPU: bfloat16, its default where a CPU has it, would be another model.
    """

    runtime: ClassVar[str] = "OpenVINO"
    build: ClassVar[str] = f"openvino-{ov.__version__.partition('-')[0]}"

    def convert(self, folder: Path) -> ov.Model:
        return ov.convert_model(folder)

    def save(self, converted: ov.Model, kept: Path) -> None:
        ov.save_model(converted, kept / _MODEL, compress_to_fp16=False)

    def read(self, kept: Path) -> ov.Model:
        return ov.Core().read_model(kept / _MODEL)

    def compiled(self, converted: ov.Model) -> tuple[Run, str]:
        config: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        config |= {"INFERENCE_NUM_THREADS": max(self.intra_op, self.inter_op)} if self.intra_op or self.inter_op else {}
        config |= {"NUM_STREAMS": self.inter_op} if self.inter_op else {}
        compiled = ov.Core().compile_model(converted, "CPU", config)
        computed_in = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        return _run(compiled, self.definition), _PRECISIONS.get(computed_in, computed_in)


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
        found = own.request.infer({inputs[name]: value for name, value in values.items()}, share_inputs=True)
        return {name: found[port] for name, port in outputs.items()}

    return run


def _ports(ports: Any, infos: Mapping[str, meta_graph_pb2.TensorInfo]) -> dict[str, Any]:  # noqa: ANN401 - untyped
    """The ports of the signature's names; raises ConversionError where one has none."""
    found = {name: port for port in ports for name, info in infos.items() if {name, info.name} & set(port.get_names())}
    if missing := infos.keys() - found.keys():
        raise ConversionError(f"OpenVINO's conversion has no {', '.join(sorted(missing))}")
    return found
