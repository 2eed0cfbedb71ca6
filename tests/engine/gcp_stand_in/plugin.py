"""Stands in for Pulumi's gcp plugin: speaks the engine's gRPC, and keeps Google Cloud in a folder of the tests."""

# ruff: noqa: N802, ARG002 (the names and arguments are gRPC's)

import json
import os
import sys
from collections.abc import Callable
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import any_pb2, empty_pb2, json_format, struct_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from provider.engine.log import watch_engine
from tests.engine.gcp_stand_in.answers import Place
from tests.engine.gcp_stand_in.cloud import (
    Cloud,
    CloudError,
    HalfMadeError,
    changed_paths,
    is_named_by_the_program,
)
from tests.engine.gcp_stand_in.memory import VARIABLE, Memory

# https://github.com/pulumi/pulumi-gcp/blob/ed6078a/provider/resources.go#L525
_PROJECT_VARIABLES = ("GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT")


class StandIn(provider_pb2_grpc.ResourceProviderServicer):
    """Each request in plain values to the cloud, each answer back."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._cloud = Cloud(memory, Place("", "", ""))

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version="0.0.0-stand-in")

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        changed = _plain(request.old_inputs) != _plain(request.news)
        kinds = provider_pb2.DiffResponse
        return kinds(changes=kinds.DIFF_SOME if changed else kinds.DIFF_NONE)

    def Configure(self, request: Any, context: Any) -> Any:
        settings = {key: str(value) for key, value in _plain(request.args).items()}
        zone = settings.get("zone", "")
        region = settings.get("region") or zone.rpartition("-")[0]
        project = settings.get("project") or next(filter(None, map(os.environ.get, _PROJECT_VARIABLES)), "")
        self._cloud = Cloud(self._memory, Place(project, region, zone, self._memory.control_plane()))
        self._memory.log("configure", settings=settings)
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Invoke(self, request: Any, context: Any) -> Any:
        self._memory.log("invoke", token=request.tok)
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED, f"a call to Google ({request.tok}), which this project does without"
        )

    def Check(self, request: Any, context: Any) -> Any:
        token, name = _type(request.urn), _name(request.urn)
        inputs = _answer(
            context,
            lambda: self._cloud.check(
                token, name, _plain(request.news), _plain(request.olds), request.randomSeed.hex() or "0" * 7
            ),
        )
        failures = [provider_pb2.CheckFailure(reason=why) for why in self._cloud.failures(token, inputs)]
        return provider_pb2.CheckResponse(inputs=_struct(inputs), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        new = _plain(request.news)
        changed, replacing = changed_paths(
            _type(request.urn), _plain(request.olds), new, [str(ignoreChange) for ignoreChange in request.ignoreChanges]
        )
        if changed:
            self._memory.log("diff", urn=request.urn, paths=changed)
        answer = provider_pb2.DiffResponse
        return answer(
            changes=answer.DIFF_SOME if changed else answer.DIFF_NONE,
            diffs=sorted({path.partition(".")[0] for path in changed}),
            replaces=replacing,
            deleteBeforeReplace=bool(replacing)
            and is_named_by_the_program(_type(request.urn), _name(request.urn), new),
        )

    def Create(self, request: Any, context: Any) -> Any:
        token, inputs = _type(request.urn), _plain(request.properties)
        if request.preview:
            properties = _answer(context, lambda: self._cloud.preview(token, inputs))
            return provider_pb2.CreateResponse(properties=_struct(properties))
        identity, properties = _answer(context, lambda: self._cloud.create(token, request.urn, inputs), inputs)
        return provider_pb2.CreateResponse(id=identity, properties=_struct(properties))

    def Update(self, request: Any, context: Any) -> Any:
        token, inputs = _type(request.urn), _plain(request.news)
        if request.preview:
            properties = _answer(context, lambda: self._cloud.preview_update(token, request.id, inputs))
            return provider_pb2.UpdateResponse(properties=_struct(properties))
        properties = _answer(context, lambda: self._cloud.update(token, request.urn, request.id, inputs))
        return provider_pb2.UpdateResponse(properties=_struct(properties))

    def Read(self, request: Any, context: Any) -> Any:
        token = _type(request.urn)
        found = _answer(context, lambda: self._cloud.read(token, request.urn, request.id, _plain(request.inputs)))
        if found is None:
            return provider_pb2.ReadResponse()
        properties, inputs = map(_struct, found)
        return provider_pb2.ReadResponse(id=request.id, properties=properties, inputs=inputs)

    def Delete(self, request: Any, context: Any) -> Any:
        _answer(context, lambda: self._cloud.delete(_type(request.urn), request.urn, request.id))
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()


def _answer(context: Any, work: Callable[[], Any], inputs: dict[str, Any] | None = None) -> Any:
    try:
        return work()
    except HalfMadeError as error:
        detail = any_pb2.Any()
        state = {"id": error.identity, "properties": _struct(error.properties), "inputs": _struct(inputs or {})}
        detail.Pack(provider_pb2.ErrorResourceInitFailed(**state, reasons=[str(error)]))
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error), details=[detail])
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.UNKNOWN, str(error))
    except CloudError as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _type(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def _name(urn: str) -> str:
    return urn.split("::", 3)[3]


def _plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    return {key: _whole(value) for key, value in json_format.MessageToDict(struct).items() if not key.startswith("__")}


def _whole(value: Any) -> Any:
    """Numbers without a fraction as integers, all the way down."""
    if isinstance(value, dict):
        return {key: _whole(nested) for key, nested in value.items()}
    if isinstance(value, list):
        return [_whole(element) for element in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _struct(values: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.Parse(json.dumps(values), struct_pb2.Struct())


def main() -> None:
    """Serve the engine whose address is the first argument."""
    print("this is the stand-in for the gcp plugin, of shapebench's tests", file=sys.stderr)
    watch_engine(sys.argv[1], lambda: os._exit(1))
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=64))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(StandIn(Memory(Path(os.environ[VARIABLE]))), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
