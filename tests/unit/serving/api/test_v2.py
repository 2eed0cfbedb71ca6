"""The Open Inference Protocol over REST: the same answers as over TensorFlow Serving's API, and the right refusals."""

import gzip
import json

import numpy as np
import pytest

INFER = "/v2/models/resnet/infer"


def tensor(name, datatype, shape, data, **more):
    return {"name": name, "datatype": datatype, "shape": list(shape), "data": data, **more}


def image(data=None, shape=(1, 4, 4, 3), datatype="FP32", name="image_input", **more):
    return tensor(name, datatype, shape, [0.5] * 48 if data is None else data, **more)


def body(*inputs, **more):
    return {"inputs": list(inputs), **more}


@pytest.mark.parametrize("nested", [False, True])
def test_it_answers_as_the_model_does_with_flat_and_with_nested_values(server, direct, images, nested):
    data = (images if nested else images.ravel()).tolist()
    answer = server.predict(body(image(data, images.shape), id="7"), INFER).json
    (output,) = answer.pop("outputs")
    assert answer == {"model_name": "resnet", "model_version": "12", "id": "7"}
    assert (output["name"], output["datatype"], output["shape"]) == ("resnet50", "FP32", [5, 10])
    np.testing.assert_allclose(np.reshape(output["data"], (5, 10)), direct(images), atol=1e-6)


def test_every_type_that_json_carries_is_taken_and_given_and_outputs_are_chosen(server):
    inputs = [
        tensor("zeros", "FP64", [2], [1, 2.5]),
        tensor("flags", "BOOL", [2, 2], [True, False, [False, True]]),
        tensor("text", "BYTES", [2], ["é", ""]),
    ]
    signature = {"parameters": {"signature_name": "mixed"}}
    outputs = server.predict(body(*inputs, **signature), INFER).json["outputs"]
    assert {output["name"]: (output["datatype"], output["shape"], output["data"]) for output in outputs} == {
        "flags": ("BOOL", [2, 2], [False, True, True, False]),
        "text_bytes": ("BYTES", [2], ["é", ""]),
        "zeros": ("FP64", [2], [2.0, 5.0]),
    }
    (chosen,) = server.predict(body(*inputs, **signature, outputs=[{"name": "zeros"}]), INFER).json["outputs"]
    assert chosen["name"] == "zeros"


def test_health_readiness_and_metadata_are_those_of_the_model(server):
    for path in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/resnet/ready"):
        assert server.request("GET", path).status == 200
    assert server.request("GET", "/v2/models/resnet/versions/12").json == {
        "name": "resnet",
        "versions": ["12"],
        "platform": "tensorflow_savedmodel",
        "inputs": [{"name": "image_input", "datatype": "FP32", "shape": [-1, 4, 4, 3]}],
        "outputs": [{"name": "resnet50", "datatype": "FP32", "shape": [-1, 10]}],
    }
    for path in ("/v2/models/other", "/v2/models/other/ready", "/v2/models/resnet/versions/7"):
        assert server.request("GET", path).status == 404


REFUSED = {
    "an empty body": (b"", "JSON Parse error"),
    "not JSON": (b"photograph", "JSON Parse error"),
    "something after it": (json.dumps(body(image())).encode() + b"}", "JSON Parse error"),
    "a list": (b"[1]", "not a JSON object"),
    "no inputs": (b"{}", "'inputs' is not a list"),
    "an empty list": (b'{"inputs": []}', "'inputs' is not a list"),
    "no tensors": (b'{"inputs": [1]}', "inputs[0] is not an object"),
    "no name": (b'{"inputs": [{"data": [1]}]}', "'name' is not text"),
    "an unknown input": (body(image(name="x")), "Sent extra: {x}"),
    "an input twice": (body(image(), image()), "given twice"),
    "a missing input": (
        body(tensor("zeros", "FP64", [1], [1]), parameters={"signature_name": "mixed"}), "Missing but required"
    ),
    "another type": (body(image(datatype="FP64")), "expects FP32 but FP64"),
    "a wrong shape": (body(image(shape=(1, 3, 4, 4))), "expects shape [?,4,4,3] but got [1,3,4,4]"),
    "too few values": (body(image([0.5] * 47)), "47 values, but its shape holds 48"),
    "a huge shape": (body(image(shape=(1 << 62, 1 << 62))), "its shape holds"),
    "a negative size": (body(image(shape=(-1, 4, 4, 3))), "no list of sizes"),
    "text for numbers": (body(image(["0"] * 48)), "not FP32"),
    "no data": (b'{"inputs": [{"name": "image_input", "datatype": "FP32", "shape": [1, 4, 4, 3]}]}', "no list of val"),
    "a number out of range": (body(image([1e39] * 48)), "NaN or infinite"),
    "an unknown output": (body(image(), outputs=[{"name": "y"}]), "not found in signature: y"),
    "outputs without names": (body(image(), outputs=[1]), "'outputs' is not a list"),
    "an unknown signature": (body(image(), parameters={"signature_name": "x"}), 'name: "x" not found'),
    "half precision": (
        body(tensor("half", "FP16", [1], [1]), parameters={"signature_name": "halves"}), "JSON does not carry"
    ),
    "truth values that are numbers": (
        body(tensor("flags", "BOOL", [1, 2], [1, 0]), parameters={"signature_name": "mixed"}), "not BOOL"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "said"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_request_gets_400_and_the_problem_by_name(server, content, said):
    content = content if isinstance(content, bytes) else json.dumps(content).encode()
    answer = server.request("POST", INFER, content)
    assert (answer.status, said in answer.json["error"]) == (400, True), answer.body


def test_what_it_does_not_have_gets_a_status_of_its_own(server):
    request = json.dumps(body(image())).encode()
    assert server.request("POST", "/v2/models/other/infer", request).status == 404
    assert server.request("POST", "/v2/repository/index", request).status == 400
    assert server.request("POST", INFER, b" " * 200_000).status == 413
    zipped = server.request("POST", INFER, gzip.compress(request), {"Content-Encoding": "gzip"})
    assert zipped.status == 200


def binary_request(name, datatype, shape, values, **more):
    """A body, and the header that says where its JSON ends."""
    text = json.dumps(body(tensor_of_bytes(name, datatype, shape, values), **more)).encode()
    return text + values, {"Inference-Header-Content-Length": str(len(text))}


def tensor_of_bytes(name, datatype, shape, values):
    size = {"binary_data_size": len(values)}
    return {"name": name, "datatype": datatype, "shape": list(shape), "parameters": size}


def test_values_go_behind_the_json_where_that_is_asked_for(server, direct, images):
    request, headers = binary_request("image_input", "FP32", images.shape, images.tobytes())
    in_json = server.request("POST", INFER, request, headers).json["outputs"][0]["data"]
    options = {"parameters": {"binary_data_output": True}}
    request, headers = binary_request("image_input", "FP32", images.shape, images.tobytes(), **options)
    answer = server.request("POST", INFER, request, headers).body
    text, values = answer[:-200], np.frombuffer(answer[-200:], np.float32)
    assert json.loads(text)["outputs"][0]["parameters"] == {"binary_data_size": 200}
    np.testing.assert_allclose(values.reshape(5, 10), direct(images), atol=1e-6)
    np.testing.assert_allclose(values, in_json, atol=1e-6)


@pytest.mark.parametrize(
    ("size", "more", "said"),
    [
        ("x", b"", "is not a size within the body"),
        ("99999999999999999999999", b"", "is not a size within the body"),
        ("3", b"", "JSON Parse error"),
        (None, b"1", "1 bytes behind the JSON are of no input"),
        (None, None, "192 bytes behind the JSON, where 191 are"),
    ],
)
def test_a_wrong_size_of_what_is_behind_the_json_gets_400(server, size, more, said):
    request, headers = binary_request("image_input", "FP32", (1, 4, 4, 3), bytes(192))
    request = request[:-1] if more is None else request + more
    headers |= {} if size is None else {"Inference-Header-Content-Length": size}
    answer = server.request("POST", INFER, request, headers)
    assert (answer.status, said in answer.json["error"]) == (400, True), answer.body
