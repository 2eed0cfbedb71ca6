"""The Open Inference Protocol's gRPC call: its messages, how a payload is written and an answer read.

Field numbers and types are those of github.com/kserve/open-inference-protocol,
specification/protocol/open_inference_grpc.proto; only these go over the wire. Needs protobuf.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from loadtest.generator.clients.answer_check import Answered, WrongAnswerError
from loadtest.generator.clients.grpc.messages import Messages, message_classes
from loadtest.generator.clients.v2.answer import require_datatype, values_in
from loadtest.generator.clients.v2.data_types import DATATYPES
from loadtest.generator.clients.v2.request import ID, SIGNATURE, binary_values
from loadtest.generator.payload import STRING, Output, Request
from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.request_bodies import RequestBody

if TYPE_CHECKING:
    from loadtest.generator.clients.grpc.grpc_client import GrpcClient

_METHOD = "/inference.GRPCInferenceService/ModelInfer"
_FIELD = descriptor_pb2.FieldDescriptorProto
_MESSAGES: Messages = {
    "Parameter": ((3, "string_param", _FIELD.TYPE_STRING),),
    "NamedParameter": ((1, "key", _FIELD.TYPE_STRING), (2, "value", "Parameter")),
    "Contents": (
        (1, "bool_contents*", _FIELD.TYPE_BOOL),
        (2, "int_contents*", _FIELD.TYPE_INT32),
        (3, "int64_contents*", _FIELD.TYPE_INT64),
        (4, "uint_contents*", _FIELD.TYPE_UINT32),
        (5, "uint64_contents*", _FIELD.TYPE_UINT64),
        (6, "fp32_contents*", _FIELD.TYPE_FLOAT),
        (7, "fp64_contents*", _FIELD.TYPE_DOUBLE),
        (8, "bytes_contents*", _FIELD.TYPE_BYTES),
    ),
    "Tensor": (
        (1, "name", _FIELD.TYPE_STRING),
        (2, "datatype", _FIELD.TYPE_STRING),
        (3, "shape*", _FIELD.TYPE_INT64),
        (5, "contents", "Contents"),
    ),
    "InferRequest": (
        (1, "model_name", _FIELD.TYPE_STRING),
        (3, "id", _FIELD.TYPE_STRING),
        (4, "parameters*", "NamedParameter"),
        (5, "inputs*", "Tensor"),
        (7, "raw_input_contents*", _FIELD.TYPE_BYTES),
    ),
    "InferResponse": ((5, "outputs*", "Tensor"), (6, "raw_output_contents*", _FIELD.TYPE_BYTES)),
}
_CLASSES = message_classes(_MESSAGES)
InferRequest, InferResponse = _CLASSES["InferRequest"], _CLASSES["InferResponse"]

# Where the values of a type are that are not given as bytes; half precision is given as bytes only.
_CONTENTS = {
    "bool": "bool_contents",
    **dict.fromkeys(("int8", "int16", "int32"), "int_contents"),
    "int64": "int64_contents",
    **dict.fromkeys(("uint8", "uint16", "uint32"), "uint_contents"),
    "uint64": "uint64_contents",
    "float32": "fp32_contents",
    "float64": "fp64_contents",
    STRING: "bytes_contents",
}


def v2_grpc_body_of(request: Request, signature: str, model_name: str) -> bytes:
    """The message; each input's values are bytes, as Triton's client sends them."""
    message = InferRequest(model_name=model_name, id=ID)
    if signature != SIGNATURE:
        message.parameters.add(key="signature_name").value.string_param = signature
    for each in request.inputs:
        message.inputs.add(name=each.name, datatype=DATATYPES[each.dtype], shape=each.shape)
        message.raw_input_contents.append(binary_values(each))
    serialised: bytes = message.SerializeToString()
    return serialised


def read_v2_grpc(content: bytes, outputs: Mapping[str, Output]) -> Mapping[str, Answered]:
    """A serialised response, with the values of all outputs as bytes, or of each by its type."""
    try:
        response = InferResponse.FromString(content)
    except DecodeError:
        raise WrongAnswerError("not_protobuf") from None
    tensors, raw = response.outputs, response.raw_output_contents
    names = [tensor.name for tensor in tensors]
    if sorted(names) != sorted(outputs) or (raw and len(raw) != len(tensors)):
        raise WrongAnswerError("bad_shape")
    return {
        each.name: _answered(each, raw[place] if raw else None, outputs[each.name])
        for place, each in enumerate(tensors)
    }


def _answered(tensor: Any, raw: bytes | None, output: Output) -> Answered:  # noqa: ANN401 - made at run time
    require_datatype(tensor.datatype, output)
    if raw is not None:
        return Answered(tuple(tensor.shape), values_in(raw, output))
    values: Sequence[Any] = getattr(tensor.contents, _CONTENTS[output.dtype]) if output.dtype in _CONTENTS else ()
    return Answered(tuple(tensor.shape), values)


def v2_grpc_clients(plan: LoadTestPlan, bodies: Sequence[RequestBody], worker: int = 0) -> Callable[[], "GrpcClient"]:
    """A factory of clients, which differ from TensorFlow Serving's in the method and in the reader."""
    # It imports gevent, which writing a request does not need.
    from loadtest.generator.clients.grpc.grpc_client import grpc_clients  # noqa: PLC0415 - see above

    return grpc_clients(plan, bodies, worker, _METHOD, read_v2_grpc)
