import re
from collections import defaultdict

import grpc
import numpy as np
import psutil
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

from serving.servers import EMBEDDED_SERVER
from stacks.server.serving_variant import ServingVariant
from tests.unit.serving.conftest import running_server

AVAILABLE = {"version": "12", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}


@pytest.fixture(scope="module")
def predict(channel):
    """Predict over gRPC; keyword arguments are inputs."""
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def call(signature="", outputs=(), **inputs):
        request = predict_pb2.PredictRequest(output_filter=outputs)
        request.model_spec.name = "resnet"
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(value if hasattr(value, "dim") else tf.make_tensor_proto(value))
        return stub.Predict(request, timeout=30)

    return call


@pytest.mark.parametrize("batch", [1, 5])
def test_rest_grpc_and_a_direct_call_agree(server, predict, direct, images, batch):
    expected = direct(images[:batch])
    rows = server.predict({"signature_name": "serving_default", "instances": images[:batch].tolist()}).json
    columns = server.predict({"inputs": images[:batch].tolist()}).json
    named = server.predict({"instances": [{"image_input": image.tolist()} for image in images[:batch]]}).json
    named_columns = server.predict({"inputs": {"image_input": images[:batch].tolist()}}).json
    over_grpc = tf.make_ndarray(predict(image_input=images[:batch]).outputs["resnet50"])
    for answer in (rows["predictions"], columns["outputs"], named["predictions"], named_columns["outputs"], over_grpc):
        assert np.shape(answer) == (batch, 10)
        np.testing.assert_allclose(answer, expected, atol=1e-4)
    assert len(set(np.argmax(expected, axis=1))) > 1 or batch == 1  # the images are distinguished


def test_grpc_takes_tensors_as_bytes_and_as_values(predict, direct, images):
    as_values = tf.make_tensor_proto(images[:1])
    as_values.float_val.extend(np.frombuffer(as_values.tensor_content, np.float32).tolist())
    as_values.tensor_content = b""
    np.testing.assert_allclose(
        predict(image_input=as_values).outputs["resnet50"].float_val, direct(images[:1])[0], atol=1e-6
    )


def test_a_grpc_answer_names_its_model_and_has_float_values(predict, images):
    response = predict(image_input=images[:2])
    assert (response.model_spec.name, response.model_spec.version.value) == ("resnet", 12)
    assert response.model_spec.signature_name == "serving_default"
    assert len(response.outputs["resnet50"].float_val) == 20
    assert [size.size for size in response.outputs["resnet50"].tensor_shape.dim] == [2, 10]


def test_inputs_and_outputs_of_other_types_keep_their_names_and_values(server, predict):
    flags, zeros, text = [[True, False], [False, False]], [1.5, 2.5], ["a", "é"]
    response = predict("mixed", zeros=np.array(zeros), flags=np.array(flags), text=text)
    outputs = {name: tf.make_ndarray(value).tolist() for name, value in response.outputs.items()}
    inverted = [[False, True], [True, True]]
    assert outputs == {"zeros": [3, 5], "flags": inverted, "text_bytes": [b"a", "é".encode()]}
    answer = server.predict({"signature_name": "mixed", "inputs": {"zeros": zeros, "flags": flags, "text": text}})
    assert answer.json == {
        "outputs": {"zeros": [3, 5], "flags": inverted, "text_bytes": [{"b64": "YQ=="}, {"b64": "w6k="}]}
    }


def test_half_precision_is_carried_over_grpc_and_not_over_rest(server, predict):
    half, brain = tf.constant([1.5, 0.1], tf.float16).numpy(), tf.constant([3, 0.1], tf.bfloat16).numpy()
    outputs = predict("halves", half=half, brain=brain).outputs
    assert all(len(output.half_val) == 2 and not output.tensor_content for output in outputs.values())
    assert tf.make_ndarray(outputs["half"]).tolist() == (half * 2).tolist()
    assert tf.make_ndarray(outputs["brain"]).tolist() == (brain * 2).tolist()
    columns = server.predict({"signature_name": "halves", "inputs": {"half": [1.5], "brain": [3]}})
    rows = server.predict({"signature_name": "halves", "instances": [{"half": 1.5, "brain": 3}]})
    assert (columns.status, rows.status) == (501, 400)
    for answer in (columns, rows):
        assert re.search(r"Conversion of JSON Value: [\d.]+ to type: b?float16, which only gRPC", answer.json["error"])


def test_an_infinite_number_in_half_precision_is_refused(predict):
    infinite = tf.constant([float("inf")], tf.bfloat16).numpy()
    with pytest.raises(grpc.RpcError, match="Input 'brain' contains NaN or infinite values"):
        predict("halves", half=np.float16([1]), brain=infinite)


def test_an_output_filter_limits_the_outputs(predict):
    response = predict("mixed", outputs=["zeros"], zeros=np.ones(1), flags=np.array([[True, True]]), text=["a"])
    assert list(response.outputs) == ["zeros"]


def test_a_signature_that_writes_to_a_variable_keeps_its_state(server):
    first, second = (server.predict({"signature_name": "counting", "instances": [0]}).json["predictions"] for _ in "12")
    assert second == [first[0] + 1]


def test_the_newest_version_is_served_with_and_without_its_number_in_the_path(server, images):
    for path in ("/v1/models/resnet:predict", "/v1/models/resnet/versions/12:predict"):
        assert server.predict({"instances": images[:1].tolist()}, path).status == 200
    for path in ("/v1/models/resnet", "/v1/models/resnet/versions/12"):
        assert server.request("GET", path).json == {"model_version_status": [AVAILABLE]}


def test_metadata_lists_the_inputs_and_outputs_of_each_signature(server, channel):
    for path in ("/v1/models/resnet/metadata", "/v1/models/resnet/versions/12/metadata"):
        document = server.request("GET", path).json
        assert document["model_spec"] == {"name": "resnet", "signature_name": "", "version": "12"}
        signature = document["metadata"]["signature_def"]["signature_def"]["serving_default"]
        sizes = [size["size"] for size in signature["inputs"]["image_input"]["tensor_shape"]["dim"]]
        assert (sizes, signature["method_name"]) == (["-1", "4", "4", "3"], "tensorflow/serving/predict")
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "resnet"
    response = prediction_service_pb2_grpc.PredictionServiceStub(channel).GetModelMetadata(request, timeout=30)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) >= {"serving_default", "mixed", "counting"}


def test_status_over_grpc_is_available(channel):
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "resnet"
    response = model_service_pb2_grpc.ModelServiceStub(channel).GetModelStatus(request, timeout=30)
    assert [(status.version, status.state) for status in response.model_version_status] == [(12, 30)]


def test_the_grpc_health_service_answers_serving(channel):
    response = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=30)
    assert response.status == health_pb2.HealthCheckResponse.SERVING


def test_the_prometheus_page_has_tf_servings_metric_names(server, predict, images):
    def counted():
        page = server.request("GET", EMBEDDED_SERVER.counters_path).body.decode()
        samples = [line.rsplit(" ", 1) for line in page.splitlines() if not line.startswith("#")]
        return defaultdict(float, {name: float(value) for name, value in samples})

    before = counted()
    server.predict({"instances": images[:1].tolist()})
    predict(image_input=images[:1])
    server.predict({})
    after = counted()
    for name, more in {
        ':tensorflow:serving:request_count{model_name="resnet",status="OK"}': 2,
        ':tensorflow:serving:request_count{model_name="resnet",status="INVALID_ARGUMENT"}': 1,
        ':tensorflow:serving:request_latency_count{API="Predict",entrypoint="REST",model_name="resnet"}': 2,
        ':tensorflow:serving:request_latency_count{API="Predict",entrypoint="GRPC",model_name="resnet"}': 1,
        ':tensorflow:serving:runtime_latency_count{API="Predict",model_name="resnet",runtime="TF2"}': 2,
    }.items():
        assert after[name] - before[name] == more, name
    assert not [name for name in after if "_total" in name or "_created" in name]


def test_the_server_listens_on_the_loopback_only(server):
    connections = psutil.Process(server.process.pid).net_connections(kind="inet")
    listening = {(c.laddr.ip.removeprefix("::ffff:"), c.laddr.port) for c in connections if c.status == "LISTEN"}
    assert listening == {("127.0.0.1", server.rest_port), ("127.0.0.1", server.grpc_port)}


@pytest.mark.parametrize("one_dnn", [True, False])
def test_tensorflow_computes_with_onednn_as_the_variant_says(tiny_base_path, tmp_path, one_dnn):
    """TensorFlow logs it once, in tensorflow/core/util/port.cc."""
    variant = ServingVariant(protocol="rest", intra_op=1, inter_op=1, one_dnn=one_dnn)
    log, variables = tmp_path / "log", EMBEDDED_SERVER.environment(variant) | {"TF_CPP_MIN_LOG_LEVEL": "0"}
    with running_server(tiny_base_path, log, environment=variables):
        assert ("oneDNN custom operations are on" in log.read_text()) is one_dnn
