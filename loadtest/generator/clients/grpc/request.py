"""Writes a payload as the message of TensorFlow Serving's gRPC predict call. Needs protobuf."""

from loadtest.generator.clients.grpc.messages import DATA_TYPES, PredictRequest
from loadtest.generator.payload import STRING, Request, packed


def grpc_body_of(request: Request, signature: str, model_name: str) -> bytes:
    """The message; each input's values are in `tensor_content`, but for text, which has a field of its own."""
    message = PredictRequest(model_spec={"name": model_name, "signature_name": signature})
    for each in request.inputs:
        tensor = message.inputs.add(key=each.name).value
        tensor.dtype = DATA_TYPES[each.dtype]
        for length in each.shape:
            tensor.tensor_shape.dim.add(size=length)
        if each.stored == STRING:
            tensor.string_val.extend(each.values)
        else:
            is_stored = each.stored == each.dtype
            tensor.tensor_content = each.data if is_stored else packed(each.dtype, each.values)
    serialised: bytes = message.SerializeToString()
    return serialised
