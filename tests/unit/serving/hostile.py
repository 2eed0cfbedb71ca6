"""Requests that cost a server far more than their sender, of a model with an input `image_input`."""

import gzip
import struct

import numpy as np
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2

from serving.api.jpeg_segments import MAX_SCANS
from serving.api.v2_messages import MESSAGES
from tests.unit.serving.uploads import form, jpeg, part, picture, with_scans, with_segments, with_size

MIB = 1 << 20


def rest_requests() -> dict[str, bytes]:
    """Whole HTTP requests."""
    zeros = b'{"instances": [' + b"0," * (8 * MIB) + b"0]}"
    bodies = {
        "16 KiB that are 16 MiB of lists": gzip.compress(b'{"instances": [' + b"[]," * (5 * MIB) + b"[]]}"),
        "lists that do not end": gzip.compress(b"[" * (31 * MIB)),
        "256 MiB of spaces": gzip.compress(b" " * (256 * MIB), 1),
        "as many numbers as fit": gzip.compress(zeros),
        "objects": gzip.compress(b'{"inputs": [' + b'{"":0},' * (2 * MIB) + b"0]}"),
        "objects within the limit": gzip.compress(b'{"inputs": [' + b'{"":0},' * (500 * 1000) + b"0]}"),
        "empty lists within the limit": gzip.compress(b'{"inputs": [' + b"[]," * (500 * 1000) + b"0]}"),
        "numbers for the slow path": gzip.compress(b'{"inputs": [' + b"0.1," * (200 * 1000) + b"null]}"),
        "numbers for the fast path": gzip.compress(b'{"inputs": [' + b"0," * (2 * MIB - 9) + b"0]}"),
        "wide text": gzip.compress(b'{"inputs": "' + b"x" * (7 * MIB) + "\N{PILE OF POO}".encode() + b'"}'),
        "an endless number": b'{"inputs": ' + b"9" * MIB + b"}",
        "two members": gzip.compress(b"{}") * 2,
        "a trailer": gzip.compress(b"{}") + b"x" * MIB,
        "half a surrogate pair": b'{"signature_name": "\\ud800", "inputs": 1}',
        "base64 beyond ASCII": '{"inputs": {"b64": "é"}}'.encode(),
    }
    requests = {
        name: _http(b"POST /v1/models/resnet:predict", body, zipped=body[:2] == b"\x1f\x8b")
        for name, body in bodies.items()
    }
    return requests | {
        "a huge version": _http(b"POST /v1/models/resnet/versions/" + b"9" * 5000 + b":predict", b"{}"),
        "headers without end": _http(b"GET /v1/models/resnet", b"", b"X: " + b"y" * (8 * MIB)),
        "two lengths": _http(b"POST /v1/models/resnet:predict", b"{}", b"Content-Length: 3"),
        "HEAD": _http(b"HEAD /v1/models/resnet", b""),
        "OPTIONS": _http(b"OPTIONS *", b""),
    }


def v2_requests() -> dict[str, bytes]:
    """Whole HTTP requests of the Open Inference Protocol."""

    def tensor(data: bytes, shape: bytes = b"[1, 4, 4, 3]", datatype: bytes = b"FP32", more: bytes = b"") -> bytes:
        return b'{"inputs": [{"name": "image_input", "datatype": "%b", "shape": %b%b, "data": %b}]}' % (
            datatype, shape, more, data
        )  # fmt: skip

    behind = b', "parameters": {"binary_data_size": %d}'
    bodies = {
        "256 MiB of spaces": gzip.compress(b" " * (256 * MIB), 1),
        "lists that do not end": gzip.compress(b'{"inputs": ' + b"[" * (31 * MIB)),
        "as many tensors as fit": gzip.compress(b'{"inputs": [' + b"{}," * (2 * MIB - 9) + b"{}]}"),
        "as many numbers as fit": gzip.compress(tensor(b"[" + b"0," * (2 * MIB - 9) + b"0]")),
        "more numbers": gzip.compress(tensor(b"[" + b"0," * (8 * MIB) + b"0]")),
        "as many lists as fit": gzip.compress(tensor(b"[" + b"[]," * (2 * MIB - 9) + b"[]]")),
        "lists in lists": gzip.compress(tensor(b"[" * 1000 + b"]" * 1000)),
        "a huge shape": tensor(b"[0]", b"[%d, %d, 4, 3]" % (1 << 62, 1 << 62)),
        "a shape of many sizes": gzip.compress(tensor(b"[0]", b"[" + b"1," * (2 * MIB - 99) + b"1]")),
        "an endless number": tensor(b"[" + b"9" * MIB + b"]"),
        "half a surrogate pair": tensor(b"[0]", datatype=b"\\ud800"),
        "text": gzip.compress(tensor(b"[" + b'"",' * (2 * MIB - 9) + b'""]', datatype=b"BYTES")),
        "a huge size behind": tensor(b"[0]", more=behind % (1 << 62)),
        "a negative size behind": tensor(b"[0]", more=behind % -1),
        "a size beyond 64 bits": tensor(b"[0]", more=behind % (1 << 80)),
    }
    infer = b"POST /v2/models/resnet/infer"
    requests = {name: _http(infer, body, zipped=body[:2] == b"\x1f\x8b") for name, body in bodies.items()}
    return requests | {
        f"a JSON of {size[:9]!r} bytes": _http(infer, b"{}", b"Inference-Header-Content-Length: " + size)
        for size in (b"-1", b"1" * 5000, b"\xb2", b"1", b"2.0")
    }


def image_uploads() -> dict[str, bytes]:
    """Whole HTTP requests with an image, or with what says that it is one."""
    side = 4096
    large = picture(side, side)
    # The image has one colour, so that a scan takes few bytes.
    flat = jpeg(large.point(lambda _: 99), progressive=True, subsampling=0)
    # Entries of EXIF that name the same 60 KB again and again.
    entries = b"".join(struct.pack(">HHII", tag, 7, 60_000, 8) for tag in range(5000))
    exif = b"Exif\0\0MM\0*\0\0\0\x08" + struct.pack(">H", 5000) + entries
    size = struct.pack(">II", 60_000, 60_000)
    images = {
        "a JPEG of 60,000 x 60,000": with_size(jpeg(), 60_000, 60_000),
        "a progressive JPEG of 60,000 x 60,000": with_size(jpeg(progressive=True), 60_000, 60_000),
        "a PNG of 60,000 x 60,000": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + size + b"\x08\x02\0\0\0" + b"\0" * 4,
        "as many pixels as fit": jpeg(large),
        "as many pixels as fit, progressive": jpeg(large, progressive=True, subsampling=0),
        "as many pixels as fit, of four colours": jpeg(large.convert("CMYK"), progressive=True, subsampling=0),
        "as many scans and pixels as fit": with_scans(flat, MAX_SCANS + 1 - flat.count(b"\xff\xda")),
        "100,000 scans": with_scans(flat, 100_000),
        "a small file of many pixels": with_size(jpeg(), side, side),
        "truncated": jpeg(large)[:-1000],
        "one row": with_size(jpeg(), 1, 65_000),
        "one column": with_size(jpeg(), 65_000, 1),
        "EXIF of 300 MB": with_segments(jpeg(), *[(0xE1, exif[:65_000])] * 100),
        "a profile of 16 MB": with_segments(jpeg(), *[(0xE2, b"ICC_PROFILE\0" + b"\1" * 65_000)] * 255),
        "4 Mi segments": with_segments(jpeg(), *[(0xFE, b"")] * (4 * MIB)),
        "16 MiB of fill bytes": b"\xff\xd8" + b"\xff" * (16 * MIB),
        "a scan of 16 MiB": jpeg() + b"\0" * (16 * MIB),
        "256 MiB of zeros": gzip.compress(b"\xff\xd8" + b"\0" * (256 * MIB), 1),
    }
    forms = {
        "100,000 parts": form(*[part(b"")] * 100_000),
        "a form in a form": form(part(form(*[part(b"x", boundary=b"inner")] * 100_000, boundary=b"inner"))),
        "a boundary that does not end": b"--edge\r\n" + b"\r\n--edg" * (2 * MIB),
        "a boundary again and again": b"--edge\r\n" * (2 * MIB),
        "headers without end in a form": b"--edge\r\nContent-Disposition: " + b"; filename" * (2 * MIB),
        "a file of 16 MiB": form(part(b"\xff\xd8" + b"\0" * (16 * MIB))),
    }
    predict = b"POST /predict/image"
    as_form = b"Content-Type: multipart/form-data; boundary="
    return (
        {name: _http(predict, body, b"Content-Type: image/jpeg", zipped=body[:2] == b"\x1f\x8b")
         for name, body in images.items()}
        | {name: _http(predict, body, as_form + b"edge") for name, body in forms.items()}
        | {"a boundary of 30 KiB": _http(predict, b"--" + b"x" * (30 << 10), as_form + b"x" * (30 << 10)),
           "a boundary of quotes": _http(predict, b"--", as_form + b'"' * (30 << 10))}
    )  # fmt: skip


def grpc_messages() -> dict[str, bytes]:
    """Predict requests as bytes."""

    def image(shape=(1, 4, 4, 3), dtype=1, name="image_input", **fields) -> bytes:
        request = predict_pb2.PredictRequest(model_spec={"name": "resnet"})
        dims = {"dim": [{"size": size} for size in shape]}
        request.inputs[name].CopyFrom(tensor_pb2.TensorProto(dtype=dtype, tensor_shape=dims, **fields))
        return request.SerializeToString()

    claims = {
        f"{count} photographs of {side} pixels and one number, as type {dtype}": image(
            (count, side, side, 3), dtype, float_val=[0]
        )
        for side in (4, 224)
        for count in (1000, 1 << 20, 1 << 23, 1 << 40)
        for dtype in (1, 2)
    }
    filters = predict_pb2.PredictRequest(model_spec={"name": "resnet"}, output_filter=[""] * (6 * MIB))
    return claims | {
        "text": image((1 << 28,), 7, string_val=[b"x"]),
        "a tensor of another name": image((1 << 28,), name="x", float_val=[0]),
        "a name of zeros": image(name="\0" * MIB),
        "an unknown type": image(dtype=1234),
        "a reference type": image(dtype=101),
        "5,000 dimensions": image((1,) * 5000),
        "3,000,000 dimensions": image((1,) * 3_000_000),
        "numbers for another shape": image((3_900_000,), tensor_content=np.zeros(3_900_000, np.float32).tobytes()),
        "single numbers for another shape": image((3_900_000,), float_val=np.zeros(3_900_000)),
        "a larger message": image((5 << 20,), tensor_content=b"\0" * (20 * MIB)),
        "6 Mi outputs": filters.SerializeToString(),
    }


def v2_grpc_messages() -> dict[str, bytes]:
    """ModelInfer requests of the Open Inference Protocol as bytes."""

    def image(shape=(1, 4, 4, 3), datatype="FP32", name="image_input", **contents) -> bytes:
        request = MESSAGES["ModelInferRequest"](model_name="resnet")
        tensor = request.inputs.add(name=name, datatype=datatype, shape=shape)
        for field, values in contents.items():
            getattr(tensor.contents, field).extend(values)
        return request.SerializeToString()

    def many(**fields) -> bytes:
        return MESSAGES["ModelInferRequest"](model_name="resnet", **fields).SerializeToString()

    numbers = np.zeros(15 * MIB, np.int64)
    return {
        "6 Mi inputs": many(inputs=[{}] * (6 * MIB)),
        "6 Mi outputs": many(outputs=[{}] * (6 * MIB)),
        "3 Mi parameters": many(parameters=[{}] * (3 * MIB)),
        "7 Mi empty values as bytes": many(inputs=[{"name": "image_input"}], raw_input_contents=[b""] * (7 * MIB)),
        "15 Mi numbers of another type": image((15 * MIB,), "FP32", int64_contents=numbers),
        "15 Mi numbers": image((15 * MIB,), "INT64", int64_contents=numbers),
        "7 Mi texts": image((7 * MIB,), "BYTES", bytes_contents=[b""] * (7 * MIB)),
        "numbers for another shape": image((3_900_000,), fp32_contents=np.zeros(3_900_000)),
        "a huge shape": image((1 << 62, 1 << 62, 4, 3), fp32_contents=[0]),
        "a shape of 5 Mi sizes": image((1,) * (5 * MIB)),
        "a name of zeros": image(name="\0" * MIB),
        "a type of zeros": image(datatype="\0" * MIB),
        "a larger message": image((5 * MIB,), fp32_contents=np.zeros(5 * MIB)),
        "a version of a million digits": many(model_version="9" * MIB),
    }


def _http(start: bytes, body: bytes, more: bytes = b"X: y", *, zipped: bool = False) -> bytes:
    encoding = b"Content-Encoding: gzip\r\n" if zipped else b""
    return b"%b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%b%b\r\nContent-Length: %d\r\n\r\n%b" % (
        start, encoding, more, len(body), body,
    )  # fmt: skip
