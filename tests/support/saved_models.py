"""SavedModel folders without TensorFlow, which takes seconds to import: signatures alone, which no server can load."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtest.generator.clients.grpc.messages import DATA_TYPES
from loadtest.run.saved_model import GRAPH, _SavedModel

_NUMBERS = DATA_TYPES | {"complex64": 8}

Tensor = tuple[str, tuple[int | None, ...] | None]
"""Type and shape; None is any size, or any shape."""
ANSWER: dict[str, Tensor] = {"scores": ("float32", (None, 2))}


def write_saved_model(folder: Path, signatures: Mapping[str, Mapping[str, Tensor]]) -> Path:
    """A model of these signatures, each with its inputs by name and the output `scores`."""
    model = _SavedModel()
    graph = model.meta_graphs.add()
    graph.meta_info_def.tags.append("serve")
    for name, inputs in signatures.items():
        signature = graph.signature_def.add(key=name).value
        for tensors, declared in ((inputs, signature.inputs), (ANSWER, signature.outputs)):
            for tensor_name, tensor in tensors.items():
                _declare(declared.add(key=tensor_name).value, *tensor)
    folder.mkdir(parents=True)
    (folder / GRAPH).write_bytes(model.SerializeToString())
    return folder


def _declare(info: Any, dtype: str, shape: tuple[int | None, ...] | None) -> None:
    info.dtype = _NUMBERS[dtype]
    info.tensor_shape.unknown_rank = shape is None
    for size in shape or ():
        info.tensor_shape.dim.add(size=-1 if size is None else size)
