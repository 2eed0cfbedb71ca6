"""Clients of uploads: those of TensorFlow Serving's REST call, with another path and a form's headers."""

from collections.abc import Callable, Sequence

from loadtest.generator.clients.rest.answer import read_rest
from loadtest.generator.clients.rest.image_request import HEADERS
from loadtest.generator.clients.rest.rest_client import RestCall, RestClient, rest_clients
from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.request_bodies import RequestBody


def image_clients(plan: LoadTestPlan, bodies: Sequence[RequestBody], worker: int = 0) -> Callable[[], RestClient]:
    """A factory that makes a client for each user."""
    return rest_clients(plan, bodies, worker, RestCall("/predict/image", read_rest, lambda _: HEADERS))
