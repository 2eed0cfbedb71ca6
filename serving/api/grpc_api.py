"""TF Serving's gRPC API: PredictionService, ModelService and, where asked for, the standard health service."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeAlias

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.api.core import ServerCore, model_spec
from serving.api.errors import Code, ServingError, StartError, invalid_argument
from serving.api.tensor_proto import from_proto, to_proto
from serving.flags import Flags
from serving.model.model import Model

_Request: TypeAlias = (
    predict_pb2.PredictRequest
    | get_model_metadata_pb2.GetModelMetadataRequest
    | get_model_status_pb2.GetModelStatusRequest
)


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc] # untyped stubs
    """Predict and GetModelMetadata; the other calls answer UNIMPLEMENTED, as the stubs' own base class does."""

    def __init__(self, core: ServerCore) -> None:
        self._core = core

    def Predict(  # noqa: N802 - named by the protocol
        self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext
    ) -> predict_pb2.PredictResponse:
        """Run the model."""
        with _answering(context), self._core.metrics.predict_request("GRPC"):
            model = _find_model(self._core, request)
            name = request.model_spec.signature_name
            if (signature := model.signature(name)) is None:
                raise ServingError(Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
            inputs = {key: from_proto(key, tensor) for key, tensor in request.inputs.items()}
            outputs = self._core.predict(signature, inputs, list(request.output_filter))
            response = predict_pb2.PredictResponse(model_spec=model_spec(model, signature.name))
            for key, output in outputs.items():
                response.outputs[key].CopyFrom(to_proto(output))
            return response

    def GetModelMetadata(  # noqa: N802 - named by the protocol
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Say what the signatures take and give."""
        with _answering(context):
            if not request.metadata_field:
                raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
            for field in request.metadata_field:
                if field != "signature_def":
                    raise invalid_argument(f"Metadata field {field} is not supported")
            return self._core.metadata(_find_model(self._core, request))


class ModelService(model_service_pb2_grpc.ModelServiceServicer):  # type: ignore[misc] # untyped stubs
    """GetModelStatus; reloading the configuration answers UNIMPLEMENTED."""

    def __init__(self, core: ServerCore) -> None:
        self._core = core

    def GetModelStatus(  # noqa: N802 - named by the protocol
        self, request: get_model_status_pb2.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Say which versions there are, and in which state."""
        with _answering(context):
            spec = _spec(request)
            return self._core.status(spec.name, _version(spec))


def grpc_server(core: ServerCore, flags: Flags) -> grpc.Server:
    """The server with its services, bound to its port on the loopback, not started.

    Raises StartError where the port is taken.
    """
    options: list[tuple[str, int | str]] = [
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        # Two servers on one port would share its requests, silently.
        ("grpc.so_reuseport", 0),
        *flags.grpc_channel_arguments,
    ]
    server = grpc.server(ThreadPoolExecutor(flags.grpc_max_threads, thread_name_prefix="grpc"), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(core), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(core), server)
    if flags.enable_grpc_healthcheck_service:
        checks = health.HealthServicer()
        checks.set("", health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    try:
        server.add_insecure_port(f"{flags.bind_address}:{flags.port}")
    except RuntimeError as error:
        raise StartError(f"--port={flags.port} cannot be bound: {error}; give a free port") from error
    return server


@contextmanager
def _answering(context: grpc.ServicerContext) -> Iterator[None]:
    """Ends the call with the right code where the block raises; `abort` itself raises to end the handler."""
    try:
        yield
    except ServingError as error:
        context.abort(grpc.StatusCode[error.code.name], error.message)


def _find_model(core: ServerCore, request: _Request) -> Model:
    spec = _spec(request)
    return core.find_model(spec.name, _version(spec), spec.version_label or None)


def _spec(request: _Request) -> model_pb2.ModelSpec:
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    return request.model_spec


def _version(spec: model_pb2.ModelSpec) -> int | None:
    return spec.version.value if spec.HasField("version") else None
