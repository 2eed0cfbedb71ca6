"""The plugin's main program: serves the engine over gRPC until the engine ends it."""

import asyncio
import sys
import traceback
from typing import Any

import grpc
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from analysis.formatting import printable
from provider.engine.dispatch import ShapebenchProvider
from provider.engine.log import EngineLog, watch_engine
from provider.engine.properties import from_plain
from provider.resource import PartialFailureError, ResourceError
from stacks.version import VERSION


def _without_traceback(method: str) -> Any:  # noqa: ANN401 - gRPC's types
    """The SDK's method, but a ResourceError reaches the user as its message, and any other error with its traceback."""

    async def answer(self: ProviderServicer, request: Any, context: Any) -> Any:  # noqa: ANN401 - gRPC's types
        try:
            return await getattr(ProviderServicer, method)(self, request, context)
        except Exception as error:
            # Some versions of the SDK raise a new exception, whose context is the original one.
            original = error if isinstance(error, ResourceError) else error.__context__ or error
            message = printable(str(original))
            if isinstance(original, PartialFailureError):
                details = (("grpc-status-details-bin", _partial_failure(request.id, original)),)
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, message, details)
            if isinstance(original, ResourceError):
                await context.abort(grpc.StatusCode.FAILED_PRECONDITION, message)
            trace = "".join(traceback.format_exception(original))
            raise RuntimeError(f"{original}:\n{trace}") from error

    return answer


class _Servicer(ProviderServicer):
    Diff, Create, Read, Update = map(_without_traceback, ("Diff", "Create", "Read", "Update"))

    async def Delete(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802 - gRPC's types and name
        """With the secret inputs, which are no outputs; the SDK passes outputs only."""
        request.properties.update(
            {name: value for name, value in request.old_inputs.items() if name not in request.properties}
        )
        return await _delete(self, request, context)


_delete = _without_traceback("Delete")


def _partial_failure(identity: str, error: PartialFailureError) -> bytes:
    """The detail that makes the engine store the state, mark it as failed, and update the resource next time."""
    properties = PropertyValue.marshal_map(from_plain(error.state))
    message = printable(str(error))
    failure = provider_pb2.ErrorResourceInitFailed(id=identity, properties=properties, reasons=[message])
    status = status_pb2.Status(code=grpc.StatusCode.FAILED_PRECONDITION.value[0], message=message)
    status.details.add().Pack(failure)
    return status.SerializeToString()


async def serve(engine_address: str) -> None:
    """Serve the engine at this address until it ends the plugin."""
    provider = ShapebenchProvider(EngineLog(engine_address))
    watch_engine(engine_address, provider.stop_after_engine)
    server = grpc.aio.server()
    servicer = _Servicer([], VERSION, provider, engine_address)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    # The engine reads the port from the first line, and shows all later ones.
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    # Pulumi puts options of its own before the address.
    asyncio.run(serve(sys.argv[-1]))
