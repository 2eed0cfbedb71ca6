"""Times calls of the model for `bench.serving`: bare calls, or calls over REST or gRPC with minimal clients.

`python -m bench.generators.timed_calls KIND …` reads one task a line from standard input,
`{"users": 8, "seconds": 5, "answer": true}`, and prints one line of results, with the last answer of the model if the
task asks for it: `{"elapsed_s": 5.02, "latencies_ms": [61.2, …], "answer": [[…]]}`.
"""

import http.client
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

# A call of one user: sends the payload, checks the status, returns the answer.
Call = Callable[[], Any]
# What opens the connection of a new user, and what reads the predictions of an answer.
Kind = tuple[Callable[[], Call], Callable[[Any], Any]]


def rest(port: str, body_file: str) -> Kind:
    """REST calls with the standard library, over one kept connection a user."""
    return _posting(port, "/v1/models/resnet:predict", body_file), lambda answer: json.loads(answer)["predictions"]


def v2_binary(port: str, body_file: str) -> Kind:
    """Calls of the Open Inference Protocol with the values behind the JSON, as `rest` in the rest."""

    def predictions(answer: bytes) -> Any:  # noqa: ANN401 - a nested list
        described, _ = json.JSONDecoder().raw_decode(answer.decode("latin-1"))
        [output] = described["outputs"]
        size = output["parameters"]["binary_data_size"]
        return np.frombuffer(answer[-size:], np.float32).reshape(output["shape"]).tolist()

    return _posting(port, "/v2/models/resnet/infer", body_file, json_is_first=True), predictions


def _posting(port: str, path: str, body_file: str, *, json_is_first: bool = False) -> Callable[[], Call]:
    """Posts a body; where JSON is first in it, with the header that says where that ends."""
    body = Path(body_file).read_bytes()
    headers = {"Content-Type": "application/json"}
    if json_is_first:
        headers = {"Inference-Header-Content-Length": str(json.JSONDecoder().raw_decode(body.decode("latin-1"))[1])}

    def user() -> Call:
        connection = http.client.HTTPConnection("127.0.0.1", int(port))

        def call() -> bytes:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            answer = response.read()
            if response.status != http.client.OK:
                raise RuntimeError(f"the server answered {response.status}: {answer[:200]!r}")
            return answer

        return call

    return user


def grpc(port: str, request_file: str) -> Kind:
    """Calls over gRPC, one channel a user. The request is serialised once, and answers stay bytes."""
    import grpc  # noqa: PLC0415 - other kinds do not need it

    request = Path(request_file).read_bytes()

    def user() -> Call:
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)])
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        return lambda: predict(request)

    def predictions(answer: bytes) -> Any:  # noqa: ANN401 - a nested list
        import tensorflow as tf  # noqa: PLC0415 - imported after the timing
        from tensorflow_serving.apis import predict_pb2  # noqa: PLC0415 - the same

        return tf.make_ndarray(predict_pb2.PredictResponse.FromString(answer).outputs["resnet50"]).tolist()

    return user, predictions


def bare(version_folder: str, input_file: str, threads: str) -> Kind:
    """Calls of the SavedModel's signature from one thread a user: the least that any server has to do.

    Here and in the other bare calls the model has one input and one output.
    """
    tf, values = _tensorflow(threads), np.load(input_file)
    signature = tf.saved_model.load(version_folder).signatures["serving_default"]
    (name,), (output,) = signature.structured_input_signature[1], signature.structured_outputs

    def call() -> Any:  # noqa: ANN401 - an array
        return signature(**{name: tf.constant(values)})[output].numpy()

    return lambda: call, np.ndarray.tolist


def bare_frozen(version_folder: str, input_file: str, threads: str) -> Kind:
    """The same with the variables as constants, as the embedded server loads a model."""
    _tensorflow(threads)
    from serving.model.loaded_model import LoadedModel  # noqa: PLC0415 - imports TensorFlow

    values = np.load(input_file)
    signature = LoadedModel("model", 1, Path(version_folder)).signature("")
    if signature is None:
        raise RuntimeError(f"{version_folder} has no default signature")
    (name,), (output,) = signature.inputs, signature.output_names
    return lambda: lambda: signature.run({name: values})[output], np.ndarray.tolist


def openvino_bare(version_folder: str, input_file: str, threads: str) -> Kind:
    """Calls of OpenVINO's own conversion, with the settings of the server and a request a user."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # it would report the import to its makers
    import openvino  # noqa: PLC0415 - other kinds do not need it

    config = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": int(threads), "NUM_STREAMS": int(threads)}
    compiled = openvino.Core().compile_model(openvino.convert_model(version_folder), "CPU", config)
    values = np.load(input_file)

    def user() -> Call:
        request = compiled.create_infer_request()
        return lambda: request.infer([values])[0]

    return user, np.ndarray.tolist


def onnxruntime_bare(version_folder: str, input_file: str, threads: str) -> Kind:
    """Calls of an `InferenceSession` of the model that the server has converted, with the server's settings."""
    from serving.model.onnx_runtime import onnxruntime, session_options  # noqa: PLC0415 - other kinds do not need it

    kept = Path(version_folder).parent.parent.glob("onnxruntime-*/model.onnx")
    newest = max(kept, key=lambda path: path.stat().st_mtime)
    session = onnxruntime.InferenceSession(newest, session_options(int(threads)), providers=["CPUExecutionProvider"])
    inputs = {session.get_inputs()[0].name: np.load(input_file)}
    return lambda: lambda: session.run(None, inputs)[0], np.ndarray.tolist


def _tensorflow(threads: str) -> Any:  # noqa: ANN401 - the module
    import tensorflow as tf  # noqa: PLC0415 - other kinds do not need it

    tf.config.threading.set_intra_op_parallelism_threads(int(threads))
    tf.config.threading.set_inter_op_parallelism_threads(int(threads))
    return tf


KINDS: dict[str, Callable[..., Kind]] = {
    "rest": rest,
    "v2-binary": v2_binary,
    "grpc": grpc,
    "bare": bare,
    "bare-frozen": bare_frozen,
    "onnxruntime-bare": onnxruntime_bare,
    "openvino-bare": openvino_bare,
}


def measure(calls: list[Call], seconds: float) -> dict[str, Any]:
    """Each user repeats its call for `seconds`. Raises the first error of a call."""
    latencies_ms: list[list[float]] = [[] for _ in calls]
    start_s = time.perf_counter()

    def run(user: int) -> Any:  # noqa: ANN401 - an answer
        answer = None
        while not latencies_ms[user] or time.perf_counter() - start_s < seconds:
            sent_s = time.perf_counter()
            answer = calls[user]()
            latencies_ms[user].append((time.perf_counter() - sent_s) * 1e3)
        return answer

    with ThreadPoolExecutor(len(calls)) as pool:
        answers = list(pool.map(run, range(len(calls))))
    elapsed_s = time.perf_counter() - start_s
    return {"elapsed_s": elapsed_s, "latencies_ms": [ms for user in latencies_ms for ms in user], "answer": answers[0]}


def main(kind: str, arguments: list[str]) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    new_user, predictions = KINDS[kind](*arguments)
    for line in sys.stdin:
        task = json.loads(line)
        # New connections for each task: the server may have closed idle ones.
        result = measure([new_user() for _ in range(task["users"])], task["seconds"])
        result["answer"] = predictions(result["answer"]) if task["answer"] else None
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
