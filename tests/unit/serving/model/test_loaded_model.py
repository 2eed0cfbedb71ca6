"""Loads, warms up, calls and batches a real SavedModel in this process."""

import asyncio
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving.api.rest import RestApi
from serving.api.served_model import ServedModel
from serving.errors import ServingError
from serving.metrics import Metrics
from serving.model.loaded_model import LoadedModel
from serving.model.signature import InputSpec
from serving.request_memory import RequestMemory
from stacks.server.serving_variant import Batching


@pytest.fixture(scope="module")
def model(tiny_base_path):
    return LoadedModel("resnet", 12, tiny_base_path / "0012")


def write_warmup_file(version, signature="serving_default", value=0.0):
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    request.inputs["image_input"].CopyFrom(tf.make_tensor_proto(np.full((1, 4, 4, 3), value, np.float32)))
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    (version / "assets.extra").mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(version / "assets.extra/tf_serving_warmup_requests")) as writer:
        writer.write(log.SerializeToString())
        writer.write(log.SerializeToString())


def test_a_signature_lists_its_inputs_and_outputs(model):
    signature = model.signature("")
    assert signature.inputs == {"image_input": InputSpec("image_input", np.dtype("float32"), (None, 4, 4, 3))}
    assert signature.output_names == ("resnet50",)
    assert model.signature("no") is None


def test_freezing_does_not_change_answers(model, direct, images):
    frozen = model.signature("serving_default").run({"image_input": images})["resnet50"]
    np.testing.assert_allclose(frozen, direct(images), atol=1e-6)


def test_a_request_gets_the_same_answer_in_a_batch_as_alone(model, direct, images):
    metrics = Metrics("resnet")
    batching = Batching(max_batch_size=3, batch_timeout_micros=2000, max_enqueued_batches=50, num_batch_threads=2)
    served = ServedModel(model, batching, metrics)
    signature = model.signature("serving_default")
    requests = [images[start : start + size] for start in range(4) for size in (1, 2)] * 3
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda request: served.predict(signature, {"image_input": request}), requests))
    with pytest.raises(ServingError, match="Task size 5 is larger than maximum input batch size 3"):
        served.predict(signature, {"image_input": images})
    served.close()
    for request, answer in zip(requests, answers, strict=True):
        np.testing.assert_allclose(answer["resnet50"], direct(request), atol=1e-5)


def test_a_rest_request_that_times_out_is_answered_with_504(model):
    api = RestApi(
        ServedModel(model, None, Metrics("resnet")), RequestMemory(1), threads=1, timeout_s=0.01, max_body_bytes=1
    )
    answered = threading.Event()
    with pytest.raises(ServingError, match="Timed out after") as late:
        asyncio.run(api._in_thread(lambda: answered.wait(20)))
    answered.set()
    assert late.value.http_status == 504


def test_warm_up_runs_every_record_of_the_warm_up_file(tiny_base_path, tmp_path):
    version = shutil.copytree(tiny_base_path / "7", tmp_path / "7")
    model = LoadedModel("resnet", 7, version)
    assert model.warm_up(iterations=1) == 0
    write_warmup_file(version)
    assert model.warm_up(iterations=3) == 2


@pytest.mark.parametrize(
    ("changes", "says"), [({"signature": "no"}, "not a Predict request"), ({"value": np.nan}, "NaN")]
)
def test_a_warm_up_record_that_does_not_fit_the_model_is_an_error(tiny_base_path, tmp_path, changes, says):
    version = shutil.copytree(tiny_base_path / "7", tmp_path / "7")
    write_warmup_file(version, **changes)
    with pytest.raises(ServingError, match=says):
        LoadedModel("resnet", 7, version).warm_up(iterations=1)
