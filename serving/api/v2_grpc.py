"""The Open Inference Protocol over gRPC: health, readiness, metadata and ModelInfer."""

import math
from typing import Any

import grpc
import numpy as np
from google.protobuf.json_format import ParseDict
from numpy.typing import NDArray

from serving.api.json_slow_path import MAX_RANK
from serving.api.served_model import ServedModel, find_signature
from serving.api.v2_codec import datatype_of, input_named, packed, shaped, unpacked
from serving.api.v2_messages import MESSAGES, SERVICE, infer_request
from serving.api.v2_metadata import model_metadata, server_metadata
from serving.errors import Code, ServingError, invalid_argument
from serving.model.loaded_model import SavedModel
from serving.model.signature import InputSpec, Outputs, Signature

Message = Any
"""One of MESSAGES, which are made at run time."""

# Where the values of a type are that are not given as bytes, and the type that holds all of its numbers.
_CONTENTS: dict[str, tuple[str, type[np.generic]]] = {
    "bool": ("bool_contents", np.bool_),
    **dict.fromkeys(("int8", "int16", "int32"), ("int_contents", np.int32)),
    "int64": ("int64_contents", np.int64),
    **dict.fromkeys(("uint8", "uint16", "uint32"), ("uint_contents", np.uint32)),
    "uint64": ("uint64_contents", np.uint64),
    "float32": ("fp32_contents", np.float32),
    "float64": ("fp64_contents", np.float64),
}
# As many digits as a number of 64 bits has at most, but for one.
_VERSION_DIGITS = 18


class InferenceService:
    """Its methods have the names of the protocol's, and raise ServingError."""

    def __init__(self, served: ServedModel) -> None:
        self._served = served

    def handlers(self) -> grpc.GenericRpcHandler:
        names = ("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata", "ModelInfer")
        readers = {name: MESSAGES[f"{name}Request"].FromString for name in names} | {"ModelInfer": infer_request}
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                name: grpc.unary_unary_rpc_method_handler(
                    getattr(self, name),
                    request_deserializer=reader,
                    response_serializer=MESSAGES[f"{name}Response"].SerializeToString,
                )
                for name, reader in readers.items()
            },
        )

    def ServerLive(self, _: Message, __: grpc.ServicerContext) -> Message:  # noqa: N802 - named by the protocol
        return MESSAGES["ServerLiveResponse"](live=True)

    def ServerReady(self, _: Message, __: grpc.ServicerContext) -> Message:  # noqa: N802 - named by the protocol
        """The server answers only after loading and warm-up."""
        return MESSAGES["ServerReadyResponse"](ready=True)

    def ModelReady(self, request: Message, _: grpc.ServicerContext) -> Message:  # noqa: N802 - named by the protocol
        self._find(request.name, request.version)
        return MESSAGES["ModelReadyResponse"](ready=True)

    def ServerMetadata(self, _: Message, __: grpc.ServicerContext) -> Message:  # noqa: N802 - named by the protocol
        # The extension is one of the JSON.
        return ParseDict(server_metadata() | {"extensions": []}, MESSAGES["ServerMetadataResponse"]())

    def ModelMetadata(self, request: Message, _: grpc.ServicerContext) -> Message:  # noqa: N802 - named by the protocol
        model = self._find(request.name, request.version)
        return ParseDict(model_metadata(model), MESSAGES["ModelMetadataResponse"]())

    def ModelInfer(self, request: Message, _: grpc.ServicerContext) -> Message:  # noqa: N802 - named by the protocol
        with self._served.metrics.predict_request("GRPC"):
            model = self._find(request.model_name, request.model_version)
            signature = find_signature(model, _signature_name(request))
            inputs = _inputs(request, signature)
            # With one more than there are, some name is wrong or there twice; millions would only take memory.
            wanted = [output.name for output in request.outputs[: len(signature.output_names) + 1]]
            own_id = request.id
            # The arrays are copies, and large requests would be in memory twice while the model runs.
            del request
            outputs = self._served.predict(signature, inputs, wanted)
            return _response(model, own_id, outputs)

    def _find(self, name: str, version: str) -> SavedModel:
        if version and not (version.isascii() and version.isdecimal() and len(version) <= _VERSION_DIGITS):
            raise ServingError(Code.NOT_FOUND, f"Version '{version[:40]}' of model {name[:100]} is not a number")
        return self._served.find(name, int(version) if version else None)


def _signature_name(request: Message) -> str:
    named = (parameter.value.string_param for parameter in request.parameters if parameter.key == "signature_name")
    return str(next(named, ""))


def _inputs(request: Message, signature: Signature) -> dict[str, NDArray[Any]]:
    """The tensors of a request by name. Raises INVALID_ARGUMENT, naming what is wrong."""
    raw, count = request.raw_input_contents, len(request.inputs)
    if raw and len(raw) != count:
        raise invalid_argument(f"raw_input_contents has {len(raw)} entries for {count} inputs")
    if count > len(signature.inputs):
        raise invalid_argument(f"The request has {count} inputs, and the signature {len(signature.inputs)}")
    found: dict[str, NDArray[Any]] = {}
    for place, tensor in enumerate(request.inputs):
        spec = input_named(tensor.name, tensor.datatype, signature)
        if tensor.name in found:
            raise invalid_argument(f"Input '{tensor.name}' is given twice")
        shape = _shape(tensor)
        values = unpacked(raw[place], spec) if raw else _values(tensor, spec, math.prod(shape))
        found[tensor.name] = shaped(values, spec, shape)
    return found


def _shape(tensor: Message) -> tuple[int, ...]:
    if len(tensor.shape) > MAX_RANK or any(size < 0 for size in tensor.shape):
        raise invalid_argument(f"Input '{tensor.name}' has no list of sizes as its shape")
    return tuple(tensor.shape)


def _values(tensor: Message, spec: InputSpec, count: int) -> NDArray[Any]:
    """The values of an input that are given by their type."""
    if spec.dtype.kind == "O":
        return _texts(tensor, count)
    if (place := _CONTENTS.get(spec.dtype.name)) is None:
        raise invalid_argument(f"Input '{spec.name}' is {datatype_of(spec.dtype)}; send it in raw_input_contents")
    field, dtype = place
    given = getattr(tensor.contents, field)
    _require_count(tensor, len(given), count)
    wide = np.fromiter(given, dtype, len(given))
    values = wide.astype(spec.dtype)
    if not np.array_equal(values, wide, equal_nan=spec.dtype.kind == "f"):
        raise invalid_argument(f"Input '{spec.name}' has a number that {datatype_of(spec.dtype)} does not hold")
    return values


def _texts(tensor: Message, count: int) -> NDArray[Any]:
    given = tensor.contents.bytes_contents
    _require_count(tensor, len(given), count)
    values = np.empty(len(given), dtype=object)
    values[:] = list(given)
    return values


def _require_count(tensor: Message, given: int, count: int) -> None:
    """Before an array of them takes memory."""
    if given != count:
        raise invalid_argument(f"Input '{tensor.name}' has {given} values, but its shape holds {count}")


def _response(model: SavedModel, own_id: str, outputs: Outputs) -> Message:
    """With the values of all outputs as bytes, which every type has."""
    response = MESSAGES["ModelInferResponse"](model_name=model.name, model_version=str(model.version), id=own_id)
    for name, value in outputs.items():
        response.outputs.add(name=name, datatype=datatype_of(value.dtype), shape=value.shape)
        response.raw_output_contents.append(packed(value))
    return response
