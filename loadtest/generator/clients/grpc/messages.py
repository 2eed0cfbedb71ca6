"""The fields of TensorFlow Serving's predict messages that the generator uses, as protobuf classes made at run time.

The generated stubs come with TensorFlow, which the generator's image does not have. Field numbers and types are those
of tensorflow_serving/apis/{model,predict}.proto and tensorflow/core/framework/{tensor,tensor_shape}.proto; only these
go over the wire. A test compares both directions with the generated classes. Needs protobuf.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from loadtest.generator.payload import HALVES

_FIELD = descriptor_pb2.FieldDescriptorProto

# The fields of each message: (number, name, type), where the type is protobuf's own or the name of a message here. A
# trailing `*` means repeated. A map is declared as repeated entries, which is its form on the wire.
Messages = dict[str, tuple[tuple[int, str, Any], ...]]

_MESSAGES: Messages = {
    "ModelSpec": ((1, "name", _FIELD.TYPE_STRING), (3, "signature_name", _FIELD.TYPE_STRING)),
    "Dim": ((1, "size", _FIELD.TYPE_INT64),),
    "TensorShape": ((2, "dim*", "Dim"),),
    "Tensor": (
        (1, "dtype", _FIELD.TYPE_INT32),
        (2, "tensor_shape", "TensorShape"),
        (4, "tensor_content", _FIELD.TYPE_BYTES),
        (5, "float_val*", _FIELD.TYPE_FLOAT),
        (6, "double_val*", _FIELD.TYPE_DOUBLE),
        (7, "int_val*", _FIELD.TYPE_INT32),
        (8, "string_val*", _FIELD.TYPE_BYTES),
        (10, "int64_val*", _FIELD.TYPE_INT64),
        (11, "bool_val*", _FIELD.TYPE_BOOL),
        (13, "half_val*", _FIELD.TYPE_INT32),
        (16, "uint32_val*", _FIELD.TYPE_UINT32),
        (17, "uint64_val*", _FIELD.TYPE_UINT64),
    ),
    "NamedTensor": ((1, "key", _FIELD.TYPE_STRING), (2, "value", "Tensor")),
    "PredictRequest": ((1, "model_spec", "ModelSpec"), (2, "inputs*", "NamedTensor")),
    "PredictResponse": ((1, "outputs*", "NamedTensor"),),
}

# The numbers of tensorflow.DataType (tensorflow/core/framework/types.proto), and the fields that hold the values of a
# type where `tensor_content` does not. Those of half precision are bits, in 32 each (tensor.proto, tensor.cc).
DATA_TYPES = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "string": 7,
    "int64": 9,
    "bool": 10,
    "bfloat16": 14,
    "uint16": 17,
    "float16": 19,
    "uint32": 22,
    "uint64": 23,
}
VALUES = {
    "float32": "float_val",
    "float64": "double_val",
    **dict.fromkeys(HALVES, "half_val"),
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), "int_val"),
    "string": "string_val",
    "int64": "int64_val",
    "bool": "bool_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
}


def message_classes(messages: Messages) -> dict[str, Any]:
    """The classes of these messages, by name."""
    # Proto3, so that a list of floats is packed, as it is in TensorFlow's own.
    file = descriptor_pb2.FileDescriptorProto(name="messages.proto", package="shapebench", syntax="proto3")
    for message, fields in messages.items():
        declared = file.message_type.add(name=message)
        for number, name, kind in fields:
            field = declared.field.add(name=name.rstrip("*"), number=number)
            field.label = _FIELD.LABEL_REPEATED if name.endswith("*") else _FIELD.LABEL_OPTIONAL
            if isinstance(kind, str):
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".shapebench.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shapebench.{name}")) for name in messages
    }


_CLASSES = message_classes(_MESSAGES)
PredictRequest, PredictResponse = _CLASSES["PredictRequest"], _CLASSES["PredictResponse"]
