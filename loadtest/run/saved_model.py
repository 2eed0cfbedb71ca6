"""Reads what a load test needs to know of a SavedModel, without TensorFlow, which takes seconds to import."""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from loadtest.generator.clients.grpc_messages import DATA_TYPES, Messages, message_classes
from loadtest.generator.payload import CODES, FLOATS, STRING, fits, packed
from loadtest.run.remote_model import GRAPH, SETTING, fetch, is_uri, remote_model
from stacks.explain import SettingsError
from stacks.models import DEFAULT_SIGNATURE, RESNET50, VERSION, Model, ModelSettings, TensorSpec
from stacks.protocols import PROTOCOLS, REST, ProtocolFacts
from stacks.settings import Settings

# The tag of the graph that servers load.
_SERVE = "serve"
_KEY = "shapebench:model"
_FIELD = descriptor_pb2.FieldDescriptorProto
_TYPES = {number: name for name, number in DATA_TYPES.items()}
# The other types that a signature can have, by their numbers in tensorflow.DataType: to show them.
_OTHER_TYPES = {
    8: "complex64", 18: "complex128", 20: "resource", 21: "variant",
}  # fmt: skip
_PART = re.compile(r"variables\.data-\d{5}-of-(\d{5})")
# TensorFlow's own, with which a server loads the model.
_INITIALISE = "__saved_model_init_op"

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


@dataclass(frozen=True)
class SavedTensor:
    """An input or an output as the model declares it. None in `shape` is any size; without a shape it has any."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    @property
    def shape_text(self) -> str:
        return _shown(self.shape)


@dataclass(frozen=True)
class SavedSignature:
    """A signature as the model declares it, whether or not a load test can use it."""

    inputs: tuple[SavedTensor, ...]
    outputs: tuple[SavedTensor, ...]

    def not_carried(self, protocol: ProtocolFacts) -> tuple[SavedTensor, ...]:
        return tuple(each for each in (*self.inputs, *self.outputs) if each.dtype in protocol.not_carried)


def model_of(settings: ModelSettings, checkout: Path, *, is_recorded: bool = False, protocol: str = REST.name) -> Model:
    """ResNet50, or the SavedModel of the settings; raises SettingsError where that cannot be served or sent to.

    Where its requests are recorded, they say what size an input has.
    """
    if settings.path is None:
        return RESNET50
    folder, name = version_folder(settings.path, checkout), settings.signature or DEFAULT_SIGNATURE
    signature = _signature(folder, name)
    if problems := _problems(signature, settings, PROTOCOLS[protocol], is_recorded=is_recorded):
        raise SettingsError("\n".join(problems))
    return served_files(settings, checkout).model_copy(
        update={
            "signature": name,
            "inputs": tuple(_input(each, settings, is_recorded=is_recorded) for each in _sorted(signature.inputs)),
            "outputs": tuple(_output(each) for each in _sorted(signature.outputs)),
            "ranges": settings.ranges or {},
            "values": settings.values or {},
        }
    )


def files_of(path: str, checkout: Path, name: str | None = None) -> Model:
    """The model with its files, and with neither inputs nor outputs: one that cannot be sent to has files, too."""
    if is_uri(path):
        remote, where = remote_model(path), path
        sizes, given = {file.path: file.size_bytes for file in remote.files}, remote.name
        in_place = remote.in_place
    else:
        folder, given, in_place = version_folder(path, checkout), _folder(path, checkout).name, None
        where = str(folder)
        sizes = {file.relative_to(folder).as_posix(): file.stat().st_size for file in _files(folder)}
    _require_all_variables(where, {PurePosixPath(file).name for file in sizes})
    served_as = name or _valid_name(given)
    return Model(
        name=served_as,
        title=served_as,
        signature=DEFAULT_SIGNATURE,
        inputs=(),
        outputs=(),
        payload="generated",
        files=tuple(f"{VERSION}/{file}" for file in sizes),
        size_bytes=sum(sizes.values()),
        in_place=in_place,
    )


def uploaded_bytes_of(settings: Settings, checkout: Path) -> int:
    """What the stack stores of its model; raises SettingsError where there is no such model."""
    return served_files(settings.model, checkout).uploaded_bytes if settings.platform == "gke" else 0


def served_files(settings: ModelSettings, checkout: Path) -> Model:
    """ResNet50, or what `files_of` has of the model of the settings."""
    return RESNET50 if settings.path is None else files_of(settings.path, checkout, settings.name)


def signatures_of(folder: Path) -> dict[str, SavedSignature]:
    """All signatures of the model in a folder, by name; raises SettingsError where its file cannot be read."""
    return {name: _saved(each) for name, each in sorted(_signatures(folder).items()) if name != _INITIALISE}


def problems_of(settings: ModelSettings, checkout: Path) -> list[str]:
    """All that model_of has against this signature over REST; raises SettingsError where there is none."""
    if settings.path is None:
        return []
    signature = _signature(version_folder(settings.path, checkout), settings.signature or DEFAULT_SIGNATURE)
    return _problems(signature, settings, REST)


def version_folder(path: str, checkout: Path, setting: str = SETTING) -> Path:
    """The folder of saved_model.pb: `path` itself, or its highest version, which servers load.

    Of a URI it is that of the copy, with saved_model.pb; the other files are copied before it is served. `setting` is
    where the user wrote the path.
    """
    if is_uri(path):
        remote = remote_model(path, setting)
        fetch(remote, remote.folder(checkout), lambda _: None, only=GRAPH, setting=setting)
        return remote.folder(checkout)
    folder = _folder(path, checkout)
    if (folder / GRAPH).is_file():
        return folder
    versions = [each for each in folder.glob("*") if each.name.isdecimal() and (each / GRAPH).is_file()]
    if not versions:
        lacks = "does not exist" if not folder.exists() else "is not a folder"
        if folder.is_dir():
            lacks = f"has neither {GRAPH} nor version folders with it"
        raise SettingsError(
            f"{setting} is {path!r}, but {folder} {lacks}, so there is nothing to serve; give the folder that"
            " tf.saved_model.save wrote"
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


def _require_all_variables(where: str, names: set[str]) -> None:
    """No part of what TensorFlow names `variables.data-00000-of-00003` is missing, and neither is their index."""
    parts = [found for name in sorted(names) if (found := _PART.fullmatch(name))]
    wanted = {f"variables.data-{number:05}-of-{found[1]}" for found in parts for number in range(int(found[1]))}
    if parts or "variables.index" in names:
        wanted |= {"variables.index"} | ({"variables.data-…"} if not parts else set())
    if missing := sorted(wanted - names):
        raise SettingsError(
            f"the model in {where} has no file {missing[0]} among its variables, so no server can load it; copy the"
            " model again, all of its files"
        )


def _valid_name(name: str) -> str:
    """A name without what that of a model may not have."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name)


def _signatures(folder: Path) -> dict[str, Any]:
    try:
        graphs = _SavedModel.FromString((folder / GRAPH).read_bytes()).meta_graphs
    except (DecodeError, OSError) as error:
        raise SettingsError(
            f"{folder / GRAPH} cannot be read ({error}), so it is not known what the model takes; save the model again"
        ) from None
    return {
        each.key: each.value for graph in graphs if _SERVE in graph.meta_info_def.tags for each in graph.signature_def
    }


def _signature(folder: Path, name: str) -> Any:  # noqa: ANN401 - its class is made at run time
    signatures = _signatures(folder)
    if name not in signatures or not signatures[name].inputs:
        callable_ones = sorted(key for key, each in signatures.items() if each.inputs)
        raise SettingsError(
            f"the model in {folder} has no signature {name!r} with inputs, so no request can be sent to it; set"
            f" {_KEY}.signature to one of {', '.join(callable_ones) or '(none)'}, or save the model with a signature"
        )
    return signatures[name]


def _sorted(tensors: Any) -> list[Any]:  # noqa: ANN401 - the same
    return sorted(tensors, key=lambda each: str(each.key))


def _saved(signature: Any) -> SavedSignature:  # noqa: ANN401 - the same
    return SavedSignature(_declared(signature.inputs), _declared(signature.outputs))


def _declared(tensors: Any) -> tuple[SavedTensor, ...]:  # noqa: ANN401 - the same
    types = _OTHER_TYPES | _TYPES
    return tuple(
        SavedTensor(each.key, types.get(each.value.dtype, f"DataType {each.value.dtype}"), _sizes(each))
        for each in _sorted(tensors)
    )


def _problems(
    signature: Any,  # noqa: ANN401 - the same
    settings: ModelSettings,
    protocol: ProtocolFacts,
    *,
    is_recorded: bool = False,
) -> list[str]:
    inputs, outputs = _sorted(signature.inputs), _sorted(signature.outputs)
    checks: list[Callable[[], object]] = [
        *(partial(_instance, each, settings, is_recorded=is_recorded) for each in inputs),
        *(partial(_dtype, each, "input") for each in inputs),
        *(partial(_dtype, each, "output") for each in outputs),
        partial(_require_same_instances, inputs),
        *(partial(_require_known, key, settings, inputs) for key in ("shapes", "ranges", "values")),
        *(partial(_require_values, each, settings) for each in inputs),
        partial(_require_carried, _saved(signature), protocol),
    ]
    return list(_refusals(checks))


def _refusals(checks: Sequence[Callable[[], object]]) -> Iterator[str]:
    for check in checks:
        try:
            check()
        except SettingsError as error:
            yield str(error)


def _input(named: Any, settings: ModelSettings, *, is_recorded: bool) -> TensorSpec:  # noqa: ANN401 - the same
    instances = (_sizes(named) or (None,))[0]
    instance = _instance(named, settings, is_recorded=is_recorded)
    return TensorSpec(name=named.key, dtype=_dtype(named, "input"), shape=(instances, *instance))


def _instance(named: Any, settings: ModelSettings, *, is_recorded: bool) -> tuple[int | None, ...]:  # noqa: ANN401 - the same
    """The shape of one instance of an input."""
    name, known = named.key, _sizes(named)
    given = (settings.shapes or {}).get(name)
    if known == ():
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
    return tuple(instance)


def _output(named: Any) -> TensorSpec:  # noqa: ANN401 - the same
    return TensorSpec(name=named.key, dtype=_dtype(named, "output"), shape=_sizes(named) or ())


def _dtype(named: Any, kind: str) -> str:  # noqa: ANN401 - the same
    if (dtype := _TYPES.get(named.value.dtype)) is None:
        raise SettingsError(
            f"the model's {kind} {named.key!r} has type {named.value.dtype} of tensorflow.DataType, but a load test"
            f" sends and checks only {', '.join(DATA_TYPES)} so far; save the model with a signature of these"
        )
    return dtype


def _require_carried(signature: SavedSignature, protocol: ProtocolFacts) -> None:
    if refused := ", ".join(f"{each.name} ({each.dtype})" for each in signature.not_carried(protocol)):
        raise SettingsError(
            f"{protocol.title} can carry no values of {refused}; set shapebench:serving.protocol to {protocol.instead}"
        )


def _require_values(named: Any, settings: ModelSettings) -> None:  # noqa: ANN401 - the same
    name, dtype = named.key, _TYPES.get(named.value.dtype, "")
    if dtype == STRING and name in (settings.ranges or {}):
        raise SettingsError(
            f"{_KEY}.ranges.{name} is a range of numbers, but the model takes text there; give {_KEY}.values.{name} a"
            " list of texts"
        )
    types = {STRING: (str, int, float)}.get(dtype, (int, float) if dtype in FLOATS else (int,))
    if wrong := [value for value in (settings.values or {}).get(name, ()) if type(value) not in types]:
        raise SettingsError(
            f"{_KEY}.values.{name} has {wrong[0]!r}, but the model takes {dtype} there; give such values"
        )
    for key in ("ranges", "values") if dtype in CODES else ():
        numbers = (getattr(settings, key) or {}).get(name, ())
        try:
            packed(dtype, numbers if dtype in FLOATS else map(round, numbers))
        except OverflowError:
            raise SettingsError(
                f"{_KEY}.{key}.{name} has a number that {dtype}, which the model takes, does not hold; give others"
            ) from None


def _require_same_instances(inputs: list[Any]) -> None:
    if len({sizes[0] for each in inputs if (sizes := _sizes(each))} - {None}) > 1:
        shapes = ", ".join(f"{each.key} {_shown(_sizes(each))}" for each in inputs)
        raise SettingsError(
            f"the model's inputs have different first dimensions ({shapes}), so they have no instances in common, which"
            " TensorFlow Serving's REST API needs; save the model with a signature that takes instances"
        )


def _require_known(key: str, settings: ModelSettings, inputs: list[Any]) -> None:
    names = [each.key for each in inputs]
    if unknown := sorted((getattr(settings, key) or {}).keys() - set(names)):
        raise SettingsError(
            f"{_KEY}.{key} has {unknown[0]!r}, but the model has no such input; its inputs are {', '.join(names)}"
        )


def _sizes(named: Any) -> tuple[int | None, ...] | None:  # noqa: ANN401 - the same
    """The shape that the model declares; None for any."""
    shape = named.value.tensor_shape
    return None if shape.unknown_rank else tuple(None if dim.size < 0 else int(dim.size) for dim in shape.dim)


def _shown(shape: Any) -> str:  # noqa: ANN401 - sizes, or None for any shape
    return "any shape" if shape is None else f"[{', '.join('?' if size is None else str(size) for size in shape)}]"
