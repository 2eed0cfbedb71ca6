"""Reads what a load test needs to know of a SavedModel, without TensorFlow, which takes seconds to import."""

import hashlib
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from loadtest.generator.clients.grpc_messages import DATA_TYPES, Messages, message_classes
from loadtest.generator.payload import STRING, fits
from stacks.explain import SettingsError
from stacks.models import RESNET50, VERSION, Model, ModelSettings, TensorSpec

GRAPH = "saved_model.pb"
_SIGNATURE = "serving_default"
# The tag of the graph that servers load.
_SERVE = "serve"
_KEY = "shapebench:model"
_FIELD = descriptor_pb2.FieldDescriptorProto
_TYPES = {number: name for name, number in DATA_TYPES.items()}

# Fields of tensorflow/core/protobuf/saved_model.proto and meta_graph.proto, and of framework/tensor_shape.proto.
_MESSAGES: Messages = {
    "Dim": ((1, "size", _FIELD.TYPE_INT64),),
    "Shape": ((2, "dim*", "Dim"), (3, "unknown_rank", _FIELD.TYPE_BOOL)),
    "TensorInfo": ((1, "name", _FIELD.TYPE_STRING), (2, "dtype", _FIELD.TYPE_INT32), (3, "tensor_shape", "Shape")),
    "NamedTensor": ((1, "key", _FIELD.TYPE_STRING), (2, "value", "TensorInfo")),
    "Signature": ((1, "inputs*", "NamedTensor"), (2, "outputs*", "NamedTensor")),
    "NamedSignature": ((1, "key", _FIELD.TYPE_STRING), (2, "value", "Signature")),
    "MetaInfo": ((4, "tags*", _FIELD.TYPE_STRING),),
    "MetaGraph": ((1, "meta_info_def", "MetaInfo"), (5, "signature_def*", "NamedSignature")),
    "SavedModel": ((2, "meta_graphs*", "MetaGraph"),),
}
_SavedModel = message_classes(_MESSAGES)["SavedModel"]


def model_of(settings: ModelSettings, checkout: Path, *, is_recorded: bool = False) -> Model:
    """ResNet50, or the SavedModel of the settings; raises SettingsError where that cannot be served or sent to.

    Where its requests are recorded, they say what size an input has.
    """
    if settings.path is None:
        return RESNET50
    folder, name = version_folder(settings.path, checkout), settings.signature or _SIGNATURE
    signature = _signature(folder, name)
    inputs = tuple(_input(each, settings, is_recorded=is_recorded) for each in _sorted(signature.inputs))
    _require_same_instances(inputs)
    for key in ("shapes", "ranges", "values"):
        if unknown := sorted((getattr(settings, key) or {}).keys() - {each.name for each in inputs}):
            raise SettingsError(
                f"{_KEY}.{key} has {unknown[0]!r}, but the model has no such input; its inputs are {_listed(inputs)}"
            )
    files = _files(folder)
    _require_values(inputs, settings)
    served_as = settings.name or _name_of(_folder(settings.path, checkout))
    return Model(
        name=served_as,
        title=served_as,
        signature=name,
        inputs=inputs,
        outputs=tuple(_output(each) for each in _sorted(signature.outputs)),
        payload="generated",
        ranges=settings.ranges or {},
        values=settings.values or {},
        files=tuple(f"{VERSION}/{path.relative_to(folder).as_posix()}" for path in files),
        size_bytes=sum(path.stat().st_size for path in files),
    )


def version_folder(path: str, checkout: Path) -> Path:
    """The folder of saved_model.pb: `path` itself, or its highest version, which servers load."""
    if "://" in path:
        raise SettingsError(
            f"{_KEY}.path is {path!r}, but only a folder of this machine can be served so far; copy the model, for"
            " example with gcloud storage cp --recursive, and give the folder"
        )
    folder = _folder(path, checkout)
    if (folder / GRAPH).is_file():
        return folder
    versions = [each for each in folder.glob("*") if each.name.isdecimal() and (each / GRAPH).is_file()]
    if not versions:
        lacks = "does not exist" if not folder.is_dir() else f"has neither {GRAPH} nor version folders with it"
        raise SettingsError(
            f"{_KEY}.path is {path!r}, but the folder {folder} {lacks}, so there is nothing to serve; give the folder"
            " that tf.saved_model.save wrote"
        )
    return max(versions, key=lambda each: int(each.name))


def stamp_of(folder: Path) -> str:
    """Changes when a file below does, by names, sizes and times, so that a preview reads no large file."""
    files = ((path, path.stat()) for path in _files(folder))
    seen = [(path.relative_to(folder).as_posix(), known.st_size, known.st_mtime_ns) for path, known in files]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def _folder(path: str, checkout: Path) -> Path:
    return (checkout / Path(path).expanduser()).resolve()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _name_of(folder: Path) -> str:
    """That of the folder, without what a name may not have."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in folder.name)


def _signature(folder: Path, name: str) -> Any:  # noqa: ANN401 - its class is made at run time
    try:
        graphs = _SavedModel.FromString((folder / GRAPH).read_bytes()).meta_graphs
    except (DecodeError, OSError) as error:
        raise SettingsError(
            f"{folder / GRAPH} cannot be read ({error}), so it is not known what the model takes; save the model again"
        ) from None
    signatures = {
        each.key: each.value for graph in graphs if _SERVE in graph.meta_info_def.tags for each in graph.signature_def
    }
    if name not in signatures or not signatures[name].inputs:
        callable_ones = sorted(key for key, each in signatures.items() if each.inputs)
        raise SettingsError(
            f"the model in {folder} has no signature {name!r} with inputs, so no request can be sent to it; set"
            f" {_KEY}.signature to one of {', '.join(callable_ones) or '(none)'}, or save the model with a signature"
        )
    return signatures[name]


def _sorted(tensors: Any) -> list[Any]:  # noqa: ANN401 - the same
    return sorted(tensors, key=lambda each: str(each.key))


def _input(named: Any, settings: ModelSettings, *, is_recorded: bool) -> TensorSpec:  # noqa: ANN401 - the same
    name, info = named.key, named.value
    given = (settings.shapes or {}).get(name)
    known = None if info.tensor_shape.unknown_rank else [_size(dim) for dim in info.tensor_shape.dim]
    if known is not None and not known:
        raise SettingsError(
            f"the model's input {name!r} is a single value without a dimension for instances, which TensorFlow"
            " Serving's REST API cannot send in rows; save the model with a signature that takes instances"
        )
    if given is not None and known is not None and not fits(given, known[1:]):
        raise SettingsError(
            f"{_KEY}.shapes.{name} is {given}, but the model takes {_shown(known[1:])} there, where ? is any size"
        )
    instance = given if given is not None else None if known is None else known[1:]
    if instance is None or (None in instance and not is_recorded):
        raise SettingsError(
            f"the model's input {name!r} takes {_shown(instance)} for an instance, where ? is any size, so it is not"
            f" known what to send; set {_KEY}.shapes.{name}, such as [128], or shapebench:payload.path to recorded"
            " requests"
        )
    return TensorSpec(name=name, dtype=_dtype(named, "input"), shape=(known[0] if known else None, *instance))


def _output(named: Any) -> TensorSpec:  # noqa: ANN401 - the same
    shape = named.value.tensor_shape
    sizes = () if shape.unknown_rank else tuple(_size(dim) for dim in shape.dim)
    return TensorSpec(name=named.key, dtype=_dtype(named, "output"), shape=sizes)


def _dtype(named: Any, kind: str) -> str:  # noqa: ANN401 - the same
    if (dtype := _TYPES.get(named.value.dtype)) is None:
        raise SettingsError(
            f"the model's {kind} {named.key!r} has type {named.value.dtype} of tensorflow.DataType, but a load test"
            f" sends and checks only {', '.join(DATA_TYPES)} so far; save the model with a signature of these"
        )
    return dtype


def _require_values(inputs: tuple[TensorSpec, ...], settings: ModelSettings) -> None:
    for each in inputs:
        if each.dtype == STRING and each.name in (settings.ranges or {}):
            raise SettingsError(
                f"{_KEY}.ranges.{each.name} is a range of numbers, but the model takes text there; give"
                f" {_KEY}.values.{each.name} a list of texts"
            )
        types = {STRING: (str, int, float)}.get(each.dtype, (int, float) if each.dtype.startswith("float") else (int,))
        if wrong := [value for value in (settings.values or {}).get(each.name, ()) if type(value) not in types]:
            raise SettingsError(
                f"{_KEY}.values.{each.name} has {wrong[0]!r}, but the model takes {each.dtype} there; give such values"
            )


def _require_same_instances(inputs: tuple[TensorSpec, ...]) -> None:
    if len({each.shape[0] for each in inputs} - {None}) > 1:
        shapes = ", ".join(f"{each.name} {_shown(each.shape)}" for each in inputs)
        raise SettingsError(
            f"the model's inputs have different first dimensions ({shapes}), so they have no instances in common, which"
            " TensorFlow Serving's REST API needs; save the model with a signature that takes instances"
        )


def _size(dim: Any) -> int | None:  # noqa: ANN401 - the same
    return None if dim.size < 0 else int(dim.size)


def _shown(shape: Any) -> str:  # noqa: ANN401 - sizes, or None for any shape
    return "any shape" if shape is None else f"[{', '.join('?' if size is None else str(size) for size in shape)}]"


def _listed(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(each.name for each in specs)
