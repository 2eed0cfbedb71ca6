"""The gRPC APIs: TF Serving's PredictionService and ModelService, the Open Inference Protocol, gRPC's own health."""

from typing import TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.api.grpc_receiving import SMALL_WINDOWS, Receiver
from serving.api.grpc_threads import ThreadQuota, thread_pool
from serving.api.served_model import ServedModel, model_spec, signature_def_map
from serving.api.tensor_proto import from_proto, to_proto
from serving.api.v2_grpc import InferenceService
from serving.errors import Code, ServingError, cannot_bind, invalid_argument
from serving.flags import Flags
from serving.request_memory import RequestMemory

# 27 photographs of ResNet50's size. TF Serving has no limit; --grpc_channel_arguments can set another.
MAX_MESSAGE_BYTES = 16 << 20

_Request: TypeAlias = (
    predict_pb2.PredictRequest
    | get_model_metadata_pb2.GetModelMetadataRequest
    | get_model_status_pb2.GetModelStatusRequest
)


class Services(
    prediction_service_pb2_grpc.PredictionServiceServicer,  # type: ignore[misc] # untyped stubs
    model_service_pb2_grpc.ModelServiceServicer,  # type: ignore[misc] # untyped stubs
):
    """Predict, GetModelMetadata, GetModelStatus, which raise ServingError.

    The generated classes answer UNIMPLEMENTED to all other calls.
    """

    def __init__(self, served: ServedModel) -> None:
        self._served = served

    def Predict(  # noqa: N802 - named by the protocol
        self, request: predict_pb2.PredictRequest, _: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        with self._served.metrics.predict_request("GRPC"):
            model = self._served.find(*_named(request))
            name = request.model_spec.signature_name
            if (signature := model.signature(name)) is None:
                raise ServingError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
            signature.check_names(request.inputs)
            inputs = {key: from_proto(signature.inputs[key], tensor) for key, tensor in request.inputs.items()}
            # With one more than there are, some name is wrong or there twice; millions would only take memory.
            output_filter = request.output_filter[: len(signature.output_names) + 1]
            # The arrays are copies, and large requests would be in memory twice while the model runs.
            del request
            outputs = self._served.predict(signature, inputs, output_filter)
            response = predict_pb2.PredictResponse(model_spec=model_spec(model, signature.name))
            for key, output in outputs.items():
                response.outputs[key].CopyFrom(to_proto(output))
            return response

    def GetModelMetadata(  # noqa: N802 - named by the protocol
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, _: grpc.ServicerContext
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        if not request.metadata_field:
            raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != "signature_def":
                raise invalid_argument(f"Metadata field {field} is not supported")
        model = self._served.find(*_named(request))
        response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=model_spec(model))
        response.metadata["signature_def"].Pack(signature_def_map(model))
        return response

    def GetModelStatus(  # noqa: N802 - named by the protocol
        self, request: get_model_status_pb2.GetModelStatusRequest, _: grpc.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        name, version, *_ = _named(request)
        return self._served.status(name, version)


def grpc_server(served: ServedModel, memory: RequestMemory, flags: Flags) -> grpc.Server:
    """The server with its services, bound to its address and port, not started.

    Raises StartError if the port is taken.
    """
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", -1),
        # Otherwise two servers could share one port, and each would get some of the requests.
        ("grpc.so_reuseport", 0),
        *SMALL_WINDOWS,
        *flags.grpc_channel_arguments,
    ]
    threads = flags.grpc_max_threads
    max_message_bytes = int(dict(options)["grpc.max_receive_message_length"])
    receiver = Receiver(memory, ThreadQuota(threads), max_message_bytes)
    server = grpc.server(thread_pool(threads), interceptors=[receiver], options=options)
    services = Services(served)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(services, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(services, server)
    server.add_generic_rpc_handlers((InferenceService(served).handlers(),))
    if flags.enable_grpc_healthcheck_service:
        health_service = health.HealthServicer()
        health_service.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(health_service, server)
    try:
        server.add_insecure_port(f"{flags.bind_address}:{flags.port}")
    except RuntimeError as error:
        raise cannot_bind("port", flags.port, error) from error
    return server


def _named(request: _Request) -> tuple[str, int | None, str | None]:
    """The name, version and version label of the model that a request is for."""
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    spec = request.model_spec
    return spec.name, spec.version.value if spec.HasField("version") else None, spec.version_label or None
