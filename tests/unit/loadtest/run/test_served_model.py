"""What a service says of its model becomes what is sent to it, and whatever else it says is one clear error.

The documents are those in the protocols' specifications. Real servers of both: tests/engine.
"""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from loadtest.run.served_model import NotServingError, served_model
from stacks.explain import SettingsError
from stacks.server.models import TensorSpec
from stacks.service import ServiceSettings, parse_service

# kserve/open-inference-protocol, specification/protocol/inference_rest.md, "Model Metadata JSON Response Object".
V2 = {
    "name": "mine",
    "versions": ["3"],
    "platform": "onnx_onnxv1",
    "inputs": [
        {"name": "ids", "datatype": "INT64", "shape": [-1, -1]},
        {"name": "pixels", "datatype": "FP32", "shape": [-1, 4, 4, 3]},
    ],
    "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 2]}],
}
SERVER = {"name": "triton", "version": "2.60.0", "extensions": []}


def tensor(dtype: str, *sizes: int) -> dict[str, Any]:
    """As TensorFlow Serving writes it: www.tensorflow.org/tfx/serving/api_rest, sizes as text."""
    dims = [{"size": str(size), "name": ""} for size in sizes]
    return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}, "name": "serving_default_x:0"}


TF_SERVING = {
    "model_spec": {"name": "mine", "signature_name": "", "version": "7"},
    "metadata": {
        "signature_def": {
            "signature_def": {
                "serving_default": {
                    "inputs": {"x": tensor("DT_HALF", -1, 8), "a": tensor("DT_STRING", -1)},
                    "outputs": {"y": tensor("DT_FLOAT", -1, 2)},
                    "method_name": "tensorflow/serving/predict",
                }
            }
        }
    },
}

Pages = dict[str, Any]
Serve = Callable[[Pages], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves these pages, as JSON where they are no text; returns the address."""
    servers: list[ThreadingHTTPServer] = []

    def start(pages: Pages) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = pages.get(self.path)
                self.send_response(404 if page is None else 200)
                self.end_headers()
                self.wfile.write((page if isinstance(page, str) else json.dumps(page)).encode())

            def log_message(self, *_: object) -> None: ...

        servers.append(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def settings(url: str, protocol: str = "v2-rest", **more: Any) -> ServiceSettings:
    model = {"name": "mine", **more.pop("model", {"shapes": {"ids": [16]}} if protocol == "v2-rest" else {})}
    return parse_service(
        {
            "service": "mine",
            "url": url,
            "protocol": protocol,
            "shape": {"machineType": "e2-standard-2", "nodes": 1},
            "load": {"profile": "smoke"},
            "model": model,
            **more,
        }
    )


def test_the_open_inference_protocols_metadata_says_what_is_sent(serve: Serve) -> None:
    found = served_model(settings(serve({"/v2": SERVER, "/v2/models/mine": V2})))
    assert found.model.inputs == (
        TensorSpec(name="ids", dtype="int64", shape=(None, 16)),
        TensorSpec(name="pixels", dtype="float32", shape=(None, 4, 4, 3)),
    )
    assert found.model.outputs == (TensorSpec(name="scores", dtype="float32", shape=(None, 2)),)
    assert (found.server, found.server_version) == ("triton", "2.60.0")


def test_tensorflow_servings_metadata_says_what_is_sent(serve: Serve) -> None:
    url = serve({"/v1/models/mine/metadata": TF_SERVING})
    found = served_model(settings(url, "grpc", grpcAddress="127.0.0.1:1"))
    assert found.model.inputs == (
        TensorSpec(name="a", dtype="string", shape=(None,)),
        TensorSpec(name="x", dtype="float16", shape=(None, 8)),
    )
    assert found.model.outputs == (TensorSpec(name="y", dtype="float32", shape=(None, 2)),)
    assert found.model.signature == "serving_default"


def test_another_version_or_signature_is_another_model(serve: Serve) -> None:
    found = served_model(settings(serve({"/v2/models/mine": V2})))
    other = served_model(settings(serve({"/v2/models/mine": V2 | {"versions": ["4"]}})))
    assert found.digest != other.digest
    assert served_model(settings(serve({"/v2/models/mine": dict(reversed(V2.items()))}))).digest == found.digest


def test_what_the_program_says_of_server_and_model_is_taken(serve: Serve) -> None:
    url = serve({"/v2": SERVER, "/v2/models/mine": V2})
    server = {"name": "own", "version": "sha256:1"}
    found = served_model(settings(url, server=server, model={"shapes": {"ids": [16]}, "digest": "abc"}))
    assert (found.server, found.server_version, found.digest) == ("own", "sha256:1", "abc")


@pytest.mark.parametrize(
    ("protocol", "page", "said"),
    [
        ("v2-rest", None, "answered 404 Not Found"),
        ("v2-rest", "<html>", "answered no JSON"),
        ("v2-rest", [1], "answered no JSON object"),
        ("v2-rest", {"inputs": [{"name": "x"}]}, "described mine in another form than its protocol's"),
        ("v2-rest", {"inputs": [{"name": "x", "datatype": "FP32", "shape": ["a"]}]}, "in another form"),
        ("v2-rest", {"inputs": 1}, "in another form"),
        ("rest", {"metadata": {}}, "in another form"),
        ("rest", {"metadata": {"signature_def": {"signature_def": {"serving_default": 1}}}}, "in another form"),
    ],
)
def test_a_service_that_does_not_serve_the_model_yet_may_do_so_later(
    serve: Serve, protocol: str, page: object, said: str
) -> None:
    path = "/v2/models/mine" if protocol == "v2-rest" else "/v1/models/mine/metadata"
    with pytest.raises(NotServingError, match=said):
        served_model(settings(serve({path: page}), protocol))


@pytest.mark.parametrize(
    ("protocol", "page", "model", "said"),
    [
        ("v2-rest", V2 | {"inputs": []}, {}, "names no inputs of the model mine"),
        ("v2-rest", V2, {}, "input 'ids' takes [?] for an instance"),
        ("v2-rest", V2, {"shapes": {"ids": [4]}, "signature": "other"}, "has no signatures"),
        ("v2-rest", V2, {"shapes": {"idz": [4]}}, "shapes has 'idz', but the model has no such input"),
        ("rest", TF_SERVING, {}, "can carry no values of x (float16)"),
        ("rest", TF_SERVING, {"signature": "other"}, "has no signature 'other'"),
    ],
)
def test_a_model_that_cannot_be_sent_to_is_refused(
    serve: Serve, protocol: str, page: object, model: dict[str, Any], said: str
) -> None:
    path = "/v2/models/mine" if protocol == "v2-rest" else "/v1/models/mine/metadata"
    with pytest.raises(SettingsError) as refused:
        served_model(settings(serve({path: page}), protocol, model=model))
    assert said in str(refused.value)


def test_nobody_listens() -> None:
    with pytest.raises(NotServingError, match=r"did not answer: .*refused"):
        served_model(settings("http://127.0.0.1:1"))
