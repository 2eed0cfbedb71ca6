"""A SavedModel that ONNX Runtime computes, converted by tf2onnx. Imports ONNX Runtime and TensorFlow."""

import subprocess
import sys
import tempfile
import threading
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from serving.model.converted_model import ConvertedModel
from serving.model.loaded_model import ConversionError
from serving.model.onnx_runtime import onnxruntime, session_options
from serving.model.signature import Outputs, Run, Tensors
from stacks.server.models import DEFAULT_SIGNATURE

_MODEL = "model.onnx"
# Of tensors, the narrowest first.
_PRECISIONS = {
    "tensor(float16)": "float16",
    "tensor(bfloat16)": "bfloat16",
    "tensor(float)": "float32",
    "tensor(double)": "float64",
}


class OnnxModel(ConvertedModel[bytes]):
    """`intra_op` threads share the operations of a request, and `inter_op` requests are computed at the same time."""

    runtime: ClassVar[str] = "ONNX Runtime"
    build: ClassVar[str] = f"onnxruntime-{onnxruntime.__version__}-tf2onnx-{version('tf2onnx')}"

    def convert(self, folder: Path) -> bytes:
        """By tf2onnx in a process of its own: what that takes would stay in the memory of the server."""
        with tempfile.TemporaryDirectory() as scratch:
            written = Path(scratch, _MODEL)
            command = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", str(folder), "--output", str(written)]
            command += ["--tag", "serve", "--signature_def", DEFAULT_SIGNATURE]
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            if ended.returncode or not written.exists():
                raise ConversionError(ended.stderr)
            return written.read_bytes()

    def save(self, converted: bytes, kept: Path) -> None:
        (kept / _MODEL).write_bytes(converted)

    def read(self, kept: Path) -> bytes:
        return (kept / _MODEL).read_bytes()

    def compiled(self, converted: bytes) -> tuple[Run, str]:
        options = session_options(self.intra_op)
        session = onnxruntime.InferenceSession(converted, options, providers=["CPUExecutionProvider"])
        self._require_names(session)
        at_once = threading.BoundedSemaphore(self.inter_op) if self.inter_op else nullcontext()
        return _run(session, sorted(self.definition.outputs), at_once), _precision(session)

    def _require_names(self, session: onnxruntime.InferenceSession) -> None:
        known = {each.name for each in (*session.get_inputs(), *session.get_outputs())}
        if missing := {*self.definition.inputs, *self.definition.outputs} - known:
            raise ConversionError(f"tf2onnx's conversion has no {', '.join(sorted(missing))}")


def _run(session: onnxruntime.InferenceSession, outputs: list[str], at_once: AbstractContextManager[Any]) -> Run:
    def run(values: Tensors) -> Outputs:
        with at_once:
            found = session.run(outputs, dict(values))
        return dict(zip(outputs, found, strict=True))

    return run


def _precision(session: onnxruntime.InferenceSession) -> str:
    """The narrowest of its inputs and outputs; float32 where these are whole numbers."""
    types = {each.type for each in (*session.get_inputs(), *session.get_outputs())}
    return next((name for kind, name in _PRECISIONS.items() if kind in types), "float32")
