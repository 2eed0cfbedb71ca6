"""What can compute a model behind the embedded server's front: `--runtime`."""

from typing import NamedTuple

from stacks.server.servers import EMBEDDED, ONNX_RUNTIME, OPENVINO, ServerFacts


class Runtime(NamedTuple):
    """A server's names, and what is behind its front."""

    facts: ServerFacts
    packages: tuple[str, ...]
    """Whose versions are part of the server's version."""
    model: str
    """The class of a model, for pkgutil.resolve_name: only the runtime that serves is imported."""


TENSORFLOW = "tensorflow"
RUNTIMES = {
    TENSORFLOW: Runtime(EMBEDDED, ("tensorflow",), "serving.model.loaded_model:LoadedModel"),
    ONNX_RUNTIME.setting: Runtime(ONNX_RUNTIME, ("onnxruntime", "tf2onnx"), "serving.model.onnx_model:OnnxModel"),
    OPENVINO.setting: Runtime(OPENVINO, ("openvino",), "serving.model.openvino_model:OpenVinoModel"),
}
