"""The fields of TensorFlow Serving's predict messages that the generator uses, as protobuf classes made at run time.

The generated stubs come with TensorFlow, which the generator's image does not have. Field numbers and types are those
of tensorflow_serving/apis/{model,predict}.proto and tensorflow/core/framework/{tensor,tensor_shape}.proto; only these
go over the wire. A test compares both directions with the generated classes. Needs protobuf.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "shapebench"
_FIELD = descriptor_pb2.FieldDescriptorProto

# The fields of each message: (number, name, type), where the type is protobuf's own or the name of a message here. A
# trailing `*` means repeated. A map is declared as repeated entries, which is its form on the wire.
_MESSAGES: dict[str, tuple[tuple[int, str, Any], ...]] = {
    "ModelSpec": ((1, "name", _FIELD.TYPE_STRING), (3, "signature_name", _FIELD.TYPE_STRING)),
    "Dim": ((1, "size", _FIELD.TYPE_INT64),),
    "TensorShape": ((2, "dim*", "Dim"),),
    "Tensor": (
        (1, "dtype", _FIELD.TYPE_INT32),
        (2, "tensor_shape", "TensorShape"),
        (4, "tensor_content", _FIELD.TYPE_BYTES),
        (5, "float_val*", _FIELD.TYPE_FLOAT),
    ),
    "NamedTensor": ((1, "key", _FIELD.TYPE_STRING), (2, "value", "Tensor")),
    "PredictRequest": ((1, "model_spec", "ModelSpec"), (2, "inputs*", "NamedTensor")),
    "PredictResponse": ((1, "outputs*", "NamedTensor"),),
}

# tensorflow.DataType.DT_FLOAT
DT_FLOAT = 1


def _classes() -> dict[str, Any]:
    # Proto3, so that a list of floats is packed, as it is in TensorFlow's own.
    file = descriptor_pb2.FileDescriptorProto(name="shapebench/predict.proto", package=_PACKAGE, syntax="proto3")
    for message, fields in _MESSAGES.items():
        declared = file.message_type.add(name=message)
        for number, name, kind in fields:
            field = declared.field.add(name=name.rstrip("*"), number=number)
            field.label = _FIELD.LABEL_REPEATED if name.endswith("*") else _FIELD.LABEL_OPTIONAL
            if isinstance(kind, str):
                field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


_CLASSES = _classes()
PredictRequest, PredictResponse = _CLASSES["PredictRequest"], _CLASSES["PredictResponse"]
