"""The protocols by name: how each writes the request, and which client sends it.

Each protocol's modules are imported only when it is used: outside Locust nothing may import gevent, and REST needs no
gRPC.
"""

from collections.abc import Callable

from loadtest.generator.clients.client import Client
from loadtest.generator.payload import Payload
from loadtest.generator.plan import LoadTestPlan

# ruff: noqa: PLC0415


def request_body(protocol: str, payload: Payload, model_name: str) -> bytes:
    """The request that sends the payload to the model; raises ValueError for an unknown protocol."""
    match protocol:
        case "rest":
            from loadtest.generator.clients.rest_request import rest_body_of

            return rest_body_of(payload)
        case "grpc":
            from loadtest.generator.clients.grpc_request import grpc_body_of

            return grpc_body_of(payload, model_name)
    raise _unknown(protocol)


def clients(plan: LoadTestPlan, body: bytes) -> Callable[[], Client]:
    """A factory that makes a client for each user, which sends `body`; raises ValueError for an unknown protocol."""
    match plan.protocol:
        case "rest":
            from loadtest.generator.clients.rest_client import rest_clients

            return rest_clients(plan, body)
        case "grpc":
            from loadtest.generator.clients.grpc_client import grpc_clients

            return grpc_clients(plan, body)
    raise _unknown(plan.protocol)


def _unknown(protocol: str) -> ValueError:
    return ValueError(f"the load generator does not speak {protocol!r}; give rest or grpc")
