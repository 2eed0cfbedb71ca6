"""What the Open Inference Protocol's metadata say, in the names of its JSON, over REST and gRPC alike."""

from collections.abc import Mapping
from typing import Any

from tensorflow.core.protobuf import meta_graph_pb2

from serving.api.served_model import find_signature
from serving.api.v2_codec import datatype_of
from serving.model.loaded_model import SavedModel, input_spec
from stacks.server.models import DEFAULT_SIGNATURE
from stacks.server.servers import EMBEDDED
from stacks.version import VERSION


def server_metadata() -> dict[str, Any]:
    """Name, version and extensions of the server."""
    return {"name": EMBEDDED.name, "version": VERSION, "extensions": ["binary_tensor_data"]}


def model_metadata(model: SavedModel) -> dict[str, Any]:
    """Inputs and outputs of the default signature; raises INVALID_ARGUMENT where the model has none."""
    find_signature(model, "")
    definition = model.signature_defs[DEFAULT_SIGNATURE]
    facts = {"name": model.name, "versions": [str(model.version)], "platform": "tensorflow_savedmodel"}
    return facts | {"inputs": _tensors(definition.inputs), "outputs": _tensors(definition.outputs)}


def _tensors(infos: Mapping[str, meta_graph_pb2.TensorInfo]) -> list[dict[str, Any]]:
    """Their names, types and shapes; -1 is any size."""
    specs = [input_spec(name, info) for name, info in sorted(infos.items())]
    return [
        {
            "name": spec.name,
            "datatype": datatype_of(spec.dtype),
            "shape": [-1 if size is None else size for size in spec.shape or ()],
        }
        for spec in specs
    ]
