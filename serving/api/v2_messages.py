"""The messages of the Open Inference Protocol over gRPC, as protobuf classes that are made at run time.

Numbers, types and names of the fields are those of github.com/kserve/open-inference-protocol,
specification/protocol/open_inference_grpc.proto, whose compiled form is in no package that agrees with TensorFlow's
protobuf. Parameters of tensors are left out: none is read, and protobuf skips what it does not know.
https://protobuf.dev/programming-guides/encoding/ says how fields are written.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from serving.errors import too_large

SERVICE = "inference.GRPCInferenceService"

# The fields of each message: number, type and name. `*` is a repeated one; a map is its entries, as on the wire.
_MESSAGES: dict[str, tuple[str, ...]] = {
    "ServerLiveRequest": (),
    "ServerLiveResponse": ("1 bool live",),
    "ServerReadyRequest": (),
    "ServerReadyResponse": ("1 bool ready",),
    "ModelReadyRequest": ("1 string name", "2 string version"),
    "ModelReadyResponse": ("1 bool ready",),
    "ServerMetadataRequest": (),
    "ServerMetadataResponse": ("1 string name", "2 string version", "3 string* extensions"),
    "ModelMetadataRequest": ("1 string name", "2 string version"),
    "ModelMetadataResponse": (
        "1 string name", "2 string* versions", "3 string platform", "4 Described* inputs", "5 Described* outputs",
    ),
    "Described": ("1 string name", "2 string datatype", "3 int64* shape"),
    "ModelInferRequest": (
        "1 string model_name", "2 string model_version", "3 string id", "4 NamedParameter* parameters",
        "5 Input* inputs", "6 Requested* outputs", "7 bytes* raw_input_contents",
    ),
    "NamedParameter": ("1 string key", "2 Parameter value"),
    "Parameter": ("3 string string_param",),
    "Input": ("1 string name", "2 string datatype", "3 int64* shape", "5 Contents contents"),
    "Contents": (
        "1 bool* bool_contents", "2 int32* int_contents", "3 int64* int64_contents", "4 uint32* uint_contents",
        "5 uint64* uint64_contents", "6 float* fp32_contents", "7 double* fp64_contents", "8 bytes* bytes_contents",
    ),
    "Requested": ("1 string name",),
    "ModelInferResponse": (
        "1 string model_name", "2 string model_version", "3 string id", "5 Output* outputs",
        "6 bytes* raw_output_contents",
    ),
    "Output": ("1 string name", "2 string datatype", "3 int64* shape"),
}  # fmt: skip
_FIELD = descriptor_pb2.FieldDescriptorProto
# Of a request, on all levels. An empty input is two bytes, and some hundred as an object.
_MOST_FIELDS = 10_000
# Of numbers of one to ten bytes each, which take eight bytes in a list that grows by doubling.
_MOST_PACKED_BYTES = 1 << 20
_INPUT, _SHAPE, _CONTENTS = 5, 3, 5
# Their numbers have a fixed size.
_FLOATS = frozenset({6, 7})


def _classes() -> dict[str, Any]:
    # Proto3, so that a list of numbers is packed, as it is in the protocol.
    file = descriptor_pb2.FileDescriptorProto(name="v2.proto", package="inference", syntax="proto3")
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        for number, kind, name in (field.split() for field in fields):
            field = declared.field.add(name=name, number=int(number))
            field.label = _FIELD.LABEL_REPEATED if kind.endswith("*") else _FIELD.LABEL_OPTIONAL
            one = kind.rstrip("*")
            if one in _MESSAGES:
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".inference.{one}"
            else:
                field.type = _FIELD.Type.Value(f"TYPE_{one.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"inference.{name}")) for name in _MESSAGES
    }


MESSAGES = _classes()
"""The classes by name."""


def infer_request(content: bytes) -> Any:  # noqa: ANN401 - made at run time
    """A ModelInferRequest. Raises INVALID_ARGUMENT where it would take far more memory than its sender's bytes."""
    left = iter(range(_MOST_FIELDS))
    for number, begin, end in _fields(content, 0, len(content), left):
        if number == _INPUT:
            _require_few_numbers(content, begin, end, left)
    return MESSAGES["ModelInferRequest"].FromString(content)


def _require_few_numbers(content: bytes, begin: int, end: int, left: Iterator[int]) -> None:
    """Of an input's shape and contents."""
    for number, first, last in _fields(content, begin, end, left):
        packed = [last - first] if number == _SHAPE else []
        if number == _CONTENTS:
            packed = [stop - start for kind, start, stop in _fields(content, first, last, left) if kind not in _FLOATS]
        if any(size > _MOST_PACKED_BYTES for size in packed):
            raise too_large(
                f"An input has more than {_MOST_PACKED_BYTES} bytes in its shape, or in its contents other than"
                " fp32_contents and fp64_contents; send its values in raw_input_contents"
            )


def _fields(content: bytes, at: int, end: int, left: Iterator[int]) -> Iterator[tuple[int, int, int]]:
    """Number, begin and end of each field of a message; it ends where one is written wrongly, as protobuf then says."""
    while at < end:
        if next(left, None) is None:
            raise too_large(
                f"The request has more than {_MOST_FIELDS} fields; send fewer inputs, or values in raw_input_contents"
            )
        tag, at = _varint(content, at)
        size = {0: 0, 1: 8, 5: 4}.get(tag & 7, -1)
        if tag & 7 == 0:
            at = _varint(content, at)[1]
        elif tag & 7 == 2:
            size, at = _varint(content, at)
        if tag < 0 or size < 0:
            return
        yield tag >> 3, at, at + size
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits in each byte, and where it ends; -1 where it does not."""
    number = 0
    for place, byte in enumerate(content[at : at + 10]):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, at + place + 1
    return -1, len(content)
