"""The protocols by name: how each writes the request, and which client sends it.

Each protocol's modules are imported only when it is used: outside Locust nothing may import gevent, and REST needs no
gRPC.
"""

from collections.abc import Callable, Sequence

from loadtest.generator.clients.client import Client
from loadtest.generator.payload import Payload
from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.request_bodies import RequestBody

# ruff: noqa: PLC0415


def request_bodies(protocol: str, payload: Payload, model_name: str) -> list[RequestBody]:
    """What sends the payload's requests to the model; raises ValueError for an unknown protocol."""
    signature, requests = payload.signature, payload.requests
    match protocol:
        case "rest":
            from loadtest.generator.clients.rest_request import rest_body_of

            return [RequestBody(rest_body_of(each, signature), each.instances) for each in requests]
        case "grpc":
            from loadtest.generator.clients.grpc_request import grpc_body_of

            return [RequestBody(grpc_body_of(each, signature, model_name), each.instances) for each in requests]
    raise _unknown(protocol)


def clients(plan: LoadTestPlan, bodies: Sequence[RequestBody], worker: int = 0) -> Callable[[], Client]:
    """A factory that makes a client for each user of a worker, which send `bodies` in turn.

    Raises ValueError for an unknown protocol.
    """
    match plan.protocol:
        case "rest":
            from loadtest.generator.clients.rest_client import rest_clients

            return rest_clients(plan, bodies, worker)
        case "grpc":
            from loadtest.generator.clients.grpc_client import grpc_clients

            return grpc_clients(plan, bodies, worker)
    raise _unknown(plan.protocol)


def _unknown(protocol: str) -> ValueError:
    return ValueError(f"the load generator does not speak {protocol!r}; give rest or grpc")
