"""The embedded server's threads: gRPC refuses a call that finds none, at once, as gRPC's C++ does; REST lets it wait.

Sources of the expected answers: MainWorkLoop in thread_manager.cc (the thread that took a call works only if another is
left to wait for the next one, so N threads carry N - 1 calls), kServerThreadpoolExhausted in server_cc.cc, and
default_health_check_service.cc (health checks are answered outside these threads), all of grpc/grpc; for REST
http_server.cc of tensorflow/serving, a thread pool with a queue.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tests.unit.serving.conftest import running_server

THREADS = 4
# A batch that is never full holds its calls in flight for as long.
HELD_S = 3.0
BATCHING = (
    f"max_batch_size {{ value: 100 }} batch_timeout_micros {{ value: {HELD_S * 1e6:.0f} }}"
    " max_enqueued_batches { value: 100 } num_batch_threads { value: 1 }"
)


@pytest.fixture(scope="module")
def server(tiny_base_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("few-threads")
    (folder / "own.config").write_text(BATCHING)
    flags = (
        f"--grpc_max_threads={THREADS}", "--rest_api_num_threads=1", "--enable_grpc_healthcheck_service=true",
        "--enable_batching=true", f"--batching_parameters_file={folder / 'own.config'}",
    )  # fmt: skip
    with running_server(tiny_base_path, folder / "server.log", *flags) as running:
        yield running


@pytest.fixture(scope="module")
def channel(server):
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as opened:
        yield opened


@pytest.fixture(scope="module")
def request_of_one(images):
    request = predict_pb2.PredictRequest(model_spec={"name": "resnet"})
    request.inputs["image_input"].CopyFrom(tf.make_tensor_proto(images[:1]))
    return request


def test_a_call_for_which_no_thread_is_left_is_refused_at_once_whatever_its_service(channel, request_of_one):
    predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    models = model_service_pb2_grpc.ModelServiceStub(channel)
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec={"name": "resnet"}, metadata_field=["signature_def"]
    )
    status = get_model_status_pb2.GetModelStatusRequest(model_spec={"name": "resnet"})
    in_flight = [predictions.Predict.future(request_of_one, timeout=30) for _ in range(THREADS - 1)]
    time.sleep(HELD_S / 4)
    assert not any(call.done() for call in in_flight), "all are carried: one thread fewer than there are"
    for call, request in (
        (predictions.Predict, request_of_one),
        (predictions.GetModelMetadata, metadata),
        (models.GetModelStatus, status),
    ):
        sent_s = time.monotonic()
        with pytest.raises(grpc.RpcError) as refused:
            call(request, timeout=30)
        assert (refused.value.code(), refused.value.details()) == (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "Server Threadpool Exhausted",
        )
        assert time.monotonic() - sent_s < HELD_S / 6
    check = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
    assert check.status == health_pb2.HealthCheckResponse.SERVING
    assert not any(call.done() for call in in_flight), "or something else made room"
    assert all(call.result().outputs for call in in_flight)
    assert models.GetModelStatus(status, timeout=30).model_version_status


def test_a_call_that_its_caller_gave_up_gives_its_thread_back(channel, request_of_one):
    predict = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict
    for _ in range(2):
        given_up = [predict.future(request_of_one, timeout=30) for _ in range(THREADS - 1)]
        time.sleep(HELD_S / 4)
        for call in given_up:
            call.cancel()
        time.sleep(HELD_S)
    assert predict(request_of_one, timeout=30).outputs


def test_a_rest_request_waits_for_a_thread_and_so_for_the_batch_before_it(server, images):
    document = {"instances": images[:1].tolist()}
    sent_s = time.monotonic()
    with ThreadPoolExecutor(2) as users:
        answers = list(users.map(server.predict, (document, document)))
    assert [answer.status for answer in answers] == [200, 200]
    assert time.monotonic() - sent_s > 1.9 * HELD_S, "one thread, so two batches of one"
