"""Errors on their way from a kind of resource to the engine."""

import asyncio
from typing import Any, NoReturn

import grpc
import pulumi.provider.experimental.provider as sdk
import pytest
from pulumi.runtime.proto import provider_pb2

from provider.engine.plugin import _Servicer
from provider.engine.properties import to_plain
from provider.resource import PartialFailureError, ResourceError

REQUESTS = {
    "Diff": provider_pb2.DiffRequest(id="id-1"),
    "Create": provider_pb2.CreateRequest(),
    "Read": provider_pb2.ReadRequest(id="id-1"),
    "Update": provider_pb2.UpdateRequest(id="id-1"),
    "Delete": provider_pb2.DeleteRequest(id="id-1"),
}


class AbortedError(Exception):
    """What gRPC sends to the engine."""


class Context:
    async def abort(self, code: grpc.StatusCode, message: str, details: Any = ()) -> NoReturn:
        raise AbortedError(code, message, details)


class Failing(sdk.Provider):
    """Raises the same error for every request."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def _fail(self, _: object) -> NoReturn:
        raise self._error

    diff = create = read = update = delete = _fail


def answer(method: str, error: Exception) -> Any:
    servicer = _Servicer([], "0.0.0", Failing(error), "127.0.0.1:1")
    return asyncio.run(getattr(servicer, method)(REQUESTS[method], Context()))


@pytest.mark.parametrize("method", REQUESTS)
def test_a_resource_error_reaches_the_engine_as_its_message(method: str) -> None:
    with pytest.raises(AbortedError) as aborted:
        answer(method, ResourceError("the port is in use"))
    assert aborted.value.args == (grpc.StatusCode.FAILED_PRECONDITION, "the port is in use", ())


@pytest.mark.parametrize("method", REQUESTS)
def test_any_other_error_has_its_traceback(method: str) -> None:
    with pytest.raises(Exception, match=r"(?s)a bug:\n.*in _fail") as failure:
        answer(method, ValueError("a bug"))
    assert not isinstance(failure.value, AbortedError)


def test_a_partial_failure_has_the_state_that_the_engine_stores() -> None:
    with pytest.raises(AbortedError) as aborted:
        answer("Update", PartialFailureError("the load test failed", {"profile": "smoke"}))
    _, message, ((name, status),) = aborted.value.args
    assert message == "the load test failed"
    assert name == "grpc-status-details-bin"
    assert b"ErrorResourceInitFailed" in status
    assert b"smoke" in status


def test_a_deletion_gets_the_secret_inputs_that_are_no_outputs() -> None:
    received = []

    class Recording(sdk.Provider):
        async def delete(self, request: sdk.DeleteRequest) -> None:
            received.append(to_plain(request.properties))

    request = provider_pb2.DeleteRequest(id="id-1")
    request.properties.update({"namespace": "old"})
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "s3cr3t"}
    request.old_inputs.update({"namespace": "new", "kubeconfig": secret})
    asyncio.run(_Servicer([], "0.0.0", Recording(), "127.0.0.1:1").Delete(request, Context()))
    assert received == [{"namespace": "old", "kubeconfig": "s3cr3t"}]
