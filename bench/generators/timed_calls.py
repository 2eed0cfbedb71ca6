"""Times calls of the model for `bench.serving`: bare calls, or calls over REST or gRPC with minimal clients.

`python -m bench.generators.timed_calls KIND …` reads one task a line from standard input,
`{"users": 8, "seconds": 5, "answer": true}`, and prints one line of results, with the last answer of the model if the
task asks for it: `{"elapsed_s": 5.02, "latencies_ms": [61.2, …], "answer": [[…]]}`.
"""

import http.client
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

# A call of one user: sends the payload, checks the status, returns the answer.
Call = Callable[[], Any]


class Rest:
    """REST calls with the standard library, over one kept connection a user."""

    def __init__(self, port: str, body: str) -> None:
        self._port = int(port)
        self._body = Path(body).read_bytes()

    def user(self) -> Call:
        connection = http.client.HTTPConnection("127.0.0.1", self._port)

        def call() -> bytes:
            connection.request("POST", "/v1/models/resnet:predict", self._body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            if response.status != http.client.OK:
                raise RuntimeError(f"the server answered {response.status}: {answer[:200]!r}")
            return answer

        return call

    @staticmethod
    def predictions(answer: bytes) -> Any:  # noqa: ANN401 - a nested list
        return json.loads(answer)["predictions"]


class Grpc:
    """gRPC calls over one channel a user. The request is serialised once, and answers stay bytes."""

    def __init__(self, port: str, request: str) -> None:
        import grpc  # noqa: PLC0415 - other kinds do not need it

        self._grpc = grpc
        self._port = port
        self._request = Path(request).read_bytes()

    def user(self) -> Call:
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel = self._grpc.insecure_channel(f"127.0.0.1:{self._port}", options)
        predict = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
        return lambda: predict(self._request)

    @staticmethod
    def predictions(answer: bytes) -> Any:  # noqa: ANN401 - a nested list
        import tensorflow as tf  # noqa: PLC0415 - imported after the timing
        from tensorflow_serving.apis import predict_pb2  # noqa: PLC0415 - the same

        return tf.make_ndarray(predict_pb2.PredictResponse.FromString(answer).outputs["resnet50"]).tolist()


class Bare:
    """Calls of the SavedModel's signature from one thread a user: the least that any server has to do."""

    def __init__(self, version_folder: str, images: str, threads: str) -> None:
        import tensorflow as tf  # noqa: PLC0415 - other kinds do not need it

        tf.config.threading.set_intra_op_parallelism_threads(int(threads))
        tf.config.threading.set_inter_op_parallelism_threads(int(threads))
        self._tf = tf
        self._images = np.load(images)
        self._signature = tf.saved_model.load(version_folder).signatures["serving_default"]

    def user(self) -> Call:
        def call() -> Any:  # noqa: ANN401 - an array
            return self._signature(image_input=self._tf.constant(self._images))["resnet50"].numpy()

        return call

    @staticmethod
    def predictions(answer: Any) -> Any:  # noqa: ANN401 - a nested list
        return answer.tolist()


class BareFrozen(Bare):
    """The same with the variables as constants, as the embedded server loads a model."""

    def __init__(self, version_folder: str, images: str, threads: str) -> None:
        super().__init__(version_folder, images, threads)
        from serving.model.loaded_model import LoadedModel  # noqa: PLC0415 - imports TensorFlow

        signature = LoadedModel("resnet", 1, Path(version_folder)).signature("")
        if signature is None:
            raise RuntimeError(f"{version_folder} has no default signature")
        self._run = signature.run

    def user(self) -> Call:
        return lambda: self._run({"image_input": self._images})["resnet50"]


KINDS: dict[str, Callable[..., Any]] = {"rest": Rest, "grpc": Grpc, "bare": Bare, "bare-frozen": BareFrozen}


def measure(calls: list[Call], seconds: float) -> dict[str, Any]:
    """Each user repeats its call for `seconds`. Raises the first error of a call."""
    latencies_ms: list[list[float]] = [[] for _ in calls]
    answers: list[Any] = [None] * len(calls)
    failures: list[BaseException] = []
    start_s = time.perf_counter()

    def run(user: int) -> None:
        try:
            while not latencies_ms[user] or time.perf_counter() - start_s < seconds:
                sent_s = time.perf_counter()
                answers[user] = calls[user]()
                latencies_ms[user].append((time.perf_counter() - sent_s) * 1e3)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=run, args=(user,)) for user in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    elapsed_s = time.perf_counter() - start_s
    return {"elapsed_s": elapsed_s, "latencies_ms": [ms for user in latencies_ms for ms in user], "answer": answers[0]}


def main(kind: str, arguments: list[str]) -> None:
    """Run tasks until standard input ends."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    side = KINDS[kind](*arguments)
    for line in sys.stdin:
        task = json.loads(line)
        # New connections for each task: the server may have closed idle ones.
        result = measure([side.user() for _ in range(task["users"])], task["seconds"])
        result["answer"] = side.predictions(result["answer"]) if task["answer"] else None
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
