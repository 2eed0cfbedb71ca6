"""The protocols by name: how each writes the request, and which client sends it.

Each protocol's modules are imported only when it is used: outside Locust nothing may import gevent, and REST needs no
gRPC.
"""

from collections.abc import Callable, Sequence
from pkgutil import resolve_name
from typing import Any, NamedTuple

from loadtest.generator.clients.client import Client
from loadtest.generator.payload import Payload
from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.request_bodies import RequestBody


class _Protocol(NamedTuple):
    """What writes a request's body, and what makes the clients: names in modules of the folders beside this one."""

    body_of: str
    clients: str

    def resolved(self, name: str) -> Any:  # noqa: ANN401 - a function of either kind
        return resolve_name(f"{__package__}.{name}")


# stacks.server.protocols has what follows from each elsewhere; a test holds the names equal.
PROTOCOLS = {
    "rest": _Protocol("rest.request:rest_body_of", "rest.rest_client:rest_clients"),
    "grpc": _Protocol("grpc.request:grpc_body_of", "grpc.grpc_client:grpc_clients"),
    "v2-rest": _Protocol("v2.request:v2_body_of", "v2.rest_client:v2_rest_clients"),
    "v2-binary": _Protocol("v2.request:v2_binary_body_of", "v2.rest_client:v2_rest_clients"),
    "v2-grpc": _Protocol("v2.v2_grpc:v2_grpc_body_of", "v2.v2_grpc:v2_grpc_clients"),
    "image": _Protocol("rest.image_request:image_body_of", "rest.image_client:image_clients"),
}


def request_bodies(protocol: str, payload: Payload, model_name: str) -> list[RequestBody]:
    """What sends the payload's requests to the model; raises ValueError for an unknown protocol."""
    known = _known(protocol)
    body_of: Callable[..., bytes] = known.resolved(known.body_of)
    return [
        RequestBody(body_of(request, payload.signature, model_name), request.instances) for request in payload.requests
    ]


def clients(plan: LoadTestPlan, bodies: Sequence[RequestBody], worker: int = 0) -> Callable[[], Client]:
    """A factory that makes a client for each user of a worker, which send `bodies` in turn.

    Raises ValueError for an unknown protocol.
    """
    known = _known(plan.protocol)
    made: Callable[[], Client] = known.resolved(known.clients)(plan, bodies, worker)
    return made


def _known(protocol: str) -> _Protocol:
    if protocol not in PROTOCOLS:
        raise ValueError(f"the load generator does not speak {protocol!r}; give one of {', '.join(PROTOCOLS)}")
    return PROTOCOLS[protocol]
