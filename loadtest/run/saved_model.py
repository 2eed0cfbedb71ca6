"""Reads what a load test needs to know of a SavedModel, without TensorFlow, which takes seconds to import."""

import hashlib
import re
from pathlib import Path, PurePosixPath
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from loadtest.generator.clients.grpc.messages import DATA_TYPES, Messages, message_classes
from loadtest.run.remote_model import GRAPH, SETTING, fetch, is_uri, remote_model
from loadtest.run.signature import DeclaredSignature, DeclaredTensor, problems_with, sent_model
from stacks.explain import SettingsError
from stacks.server.models import DEFAULT_SIGNATURE, RESNET50, VERSION, Model, ModelSettings
from stacks.server.protocols import PROTOCOLS, REST
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


def model_of(settings: ModelSettings, checkout: Path, *, is_recorded: bool = False, protocol: str = REST.name) -> Model:
    """ResNet50, or the SavedModel of the settings; raises SettingsError where that cannot be served or sent to.

    Where its requests are recorded, they say what size an input has.
    """
    if settings.path is None:
        return RESNET50
    folder, name = version_folder(settings.path, checkout), settings.signature or DEFAULT_SIGNATURE
    signature = _signature(folder, name)
    files = served_files(settings, checkout)
    return sent_model(files, name, signature, settings, PROTOCOLS[protocol], is_recorded=is_recorded)


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


def signatures_of(folder: Path) -> dict[str, DeclaredSignature]:
    """All signatures of the model in a folder, by name; raises SettingsError where its file cannot be read."""
    return {name: _saved(each) for name, each in sorted(_signatures(folder).items()) if name != _INITIALISE}


def problems_of(settings: ModelSettings, checkout: Path) -> list[str]:
    """All that model_of has against this signature over REST; raises SettingsError where there is none."""
    if settings.path is None:
        return []
    signature = _signature(version_folder(settings.path, checkout), settings.signature or DEFAULT_SIGNATURE)
    return problems_with(signature, settings, REST)


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
    versions = [path for path in folder.glob("*") if path.name.isdecimal() and (path / GRAPH).is_file()]
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


def _signature(folder: Path, name: str) -> DeclaredSignature:
    signatures = _signatures(folder)
    if name not in signatures or not signatures[name].inputs:
        callable_ones = sorted(key for key, each in signatures.items() if each.inputs)
        raise SettingsError(
            f"the model in {folder} has no signature {name!r} with inputs, so no request can be sent to it; set"
            f" {_KEY}.signature to one of {', '.join(callable_ones) or '(none)'}, or save the model with a signature"
        )
    return _saved(signatures[name])


def _saved(signature: Any) -> DeclaredSignature:  # noqa: ANN401 - its class is made at run time
    return DeclaredSignature(_declared(signature.inputs), _declared(signature.outputs))


def _declared(tensors: Any) -> tuple[DeclaredTensor, ...]:  # noqa: ANN401 - the same
    types = _OTHER_TYPES | _TYPES
    return tuple(
        DeclaredTensor(tensor.key, types.get(tensor.value.dtype, f"DataType {tensor.value.dtype}"), _sizes(tensor))
        for tensor in sorted(tensors, key=lambda each: str(each.key))
    )


def _sizes(named: Any) -> tuple[int | None, ...] | None:  # noqa: ANN401 - the same
    """The shape that the model declares; None for any."""
    shape = named.value.tensor_shape
    return None if shape.unknown_rank else tuple(None if dim.size < 0 else int(dim.size) for dim in shape.dim)
