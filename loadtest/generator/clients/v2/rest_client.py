"""Clients of the Open Inference Protocol's REST call: those of any REST API, with its path and its headers."""

from collections.abc import Callable, Mapping, Sequence

from loadtest.generator.clients.rest.connection import JSON_HEADERS
from loadtest.generator.clients.rest.rest_client import RestCall, RestClient, rest_clients
from loadtest.generator.clients.v2.answer import read_v2
from loadtest.generator.clients.v2.data_types import json_bytes
from loadtest.generator.plan import LoadTestPlan
from loadtest.generator.request_bodies import RequestBody


def v2_rest_clients(plan: LoadTestPlan, bodies: Sequence[RequestBody], worker: int = 0) -> Callable[[], RestClient]:
    """A factory that makes a client for each user; binary tensors are known by what stands behind the JSON."""
    return rest_clients(plan, bodies, worker, RestCall("/v2/models/{model}/infer", read_v2, _headers))


def _headers(body: bytes) -> Mapping[str, str]:
    size = json_bytes(body)
    if size == len(body):
        return JSON_HEADERS
    return {"Content-Type": "application/octet-stream", "Inference-Header-Content-Length": str(size)}
