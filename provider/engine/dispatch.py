"""Passes each of the engine's requests to its kind of resource, in plain values."""

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from typing import Any, TypeVar

import pulumi.provider.experimental.provider as sdk

from provider.engine.log import EngineLog
from provider.engine.properties import from_plain, to_plain
from provider.resource import Operation, Resource, ResourceError

# By token, the classes in provider/resources. Each is imported when it is used; pandas, SciPy and Kubernetes' client,
# when its work needs them: they take a second, and most of Pulumi's commands do no work.
KINDS = {
    "shapebench:index:LoadTest": "service_load_test.ServiceLoadTest",
    "shapebench:local:ModelExport": "model_export.ModelExport",
    "shapebench:local:ServerCleanup": "server_cleanup.ServerCleanup",
    "shapebench:local:LocalServing": "local_serving.LocalServing",
    "shapebench:local:LoadTest": "local_load_test.LocalLoadTest",
    "shapebench:kubernetes:ServerStart": "server_start.ServerStart",
    "shapebench:kubernetes:UnfetchedRows": "unfetched_rows.UnfetchedRows",
    "shapebench:kubernetes:LoadTest": "cluster_load_test.ClusterLoadTest",
    "shapebench:gke:Lease": "lease.Lease",
    "shapebench:gke:Preflight": "preflight.Preflight",
    "shapebench:results:StoreCheck": "store_check.StoreCheck",
}

Result = TypeVar("Result")


def _kind(type_chain: str) -> Resource[Any, Any]:
    """The kind of a URN's type, which starts with the types of the parent components."""
    return kind_named(type_chain.rpartition("$")[2])


@cache
def kind_named(token: str) -> Resource[Any, Any]:
    """The kind with this token."""
    module, _, name = KINDS[token].partition(".")
    kind: Resource[Any, Any] = getattr(import_module(f"provider.resources.{module}"), name)()
    return kind


class ShapebenchProvider(sdk.Provider):
    """The engine's requests. Each operation runs in a thread, so that a cancellation is received during it."""

    def __init__(self, log: EngineLog) -> None:
        self._log = log
        self._cancelled = threading.Event()
        self._running: set[str] = set()

    async def get_schema(self, request: sdk.GetSchemaRequest) -> sdk.GetSchemaResponse:  # noqa: ARG002 - there is one
        # Most of Pulumi's commands ask for no schema.
        from provider.engine.schema import package_schema  # noqa: PLC0415 - see above

        return sdk.GetSchemaResponse(json.dumps(package_schema()))

    async def configure(self, request: sdk.ConfigureRequest) -> sdk.ConfigureResponse:  # noqa: ARG002 - nothing to set
        return sdk.ConfigureResponse(supports_preview=True)

    async def check(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        try:
            inputs = await asyncio.to_thread(_kind(request.type).check, to_plain(request.new_inputs))
        except ResourceError as error:
            return sdk.CheckResponse(inputs=request.new_inputs, failures=[sdk.CheckFailure("", str(error))])
        return sdk.CheckResponse(inputs=from_plain(inputs))

    async def diff(self, request: sdk.DiffRequest) -> sdk.DiffResponse:
        state, inputs = to_plain(request.old_state), to_plain(request.new_inputs)
        changed = _kind(request.type).changed(state, inputs)
        update = sdk.PropertyDiff(sdk.PropertyDiffKind.UPDATE, input_diff=False)
        return sdk.DiffResponse(
            changes=bool(changed), diffs=changed, detailed_diff=dict.fromkeys(changed, update), stables=[]
        )

    async def create(self, request: sdk.CreateRequest) -> sdk.CreateResponse:
        kind, inputs = _kind(request.type), to_plain(request.properties)
        if request.preview:
            return sdk.CreateResponse(resource_id="", properties=from_plain(kind.preview(inputs)))
        outputs = await self._run(request.urn, partial(kind.create, inputs))
        return sdk.CreateResponse(resource_id=request.name, properties=from_plain(outputs))

    async def update(self, request: sdk.UpdateRequest) -> sdk.UpdateResponse:
        kind, inputs = _kind(request.type), to_plain(request.news)
        if request.preview:
            return sdk.UpdateResponse(properties=from_plain(kind.preview(inputs)))
        outputs = await self._run(request.urn, partial(kind.update, to_plain(request.olds), inputs))
        return sdk.UpdateResponse(properties=from_plain(outputs))

    async def read(self, request: sdk.ReadRequest) -> sdk.ReadResponse:
        outputs = await asyncio.to_thread(_kind(request.type).read, to_plain(request.properties))
        if outputs is None:
            return sdk.ReadResponse(resource_id="", properties={}, inputs={})
        return sdk.ReadResponse(request.resource_id, from_plain(outputs), request.inputs)

    async def delete(self, request: sdk.DeleteRequest) -> None:
        await self._run(request.urn, partial(_kind(request.type).delete, to_plain(request.properties)))

    async def cancel(self) -> None:
        self._cancelled.set()

    def stop_after_engine(self) -> None:
        """Cancel the operations, wait until they have stored what they measured, and exit."""
        self._cancelled.set()
        while self._running:
            time.sleep(0.1)
        os._exit(1)

    async def _run(self, urn: str, run: Callable[[Operation], Result]) -> Result:
        info, status = (partial(self._log.write, urn, ephemeral=ephemeral) for ephemeral in (False, True))
        operation = Operation(info, status, self._cancelled)

        def registered() -> Result:
            # Registered in the thread: the end of the engine cancels the coroutine at once, but the thread goes on.
            self._running.add(urn)
            try:
                return run(operation)
            finally:
                self._running.discard(urn)

        return await asyncio.to_thread(registered)
