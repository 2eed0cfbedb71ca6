"""The load test of a service that something else deploys, in anyone's Pulumi program."""

import time
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict

from analysis.results.schema.manifest import Model
from loadtest.run.payload import payload_file, sent
from loadtest.run.recorded_requests import digest_of
from loadtest.run.served_model import NotServingError, ServedModel, served_model
from provider.load_test_inputs import LocalLoadTestInputs, ServingInputs
from provider.local.server_process import is_here
from provider.record.repeats import RunOnce
from provider.resource import Operation, Props, ResourceError, ResourceInputs, has_unknown
from provider.resources.load_test import LoadTest
from stacks.explain import SettingsError
from stacks.files import store_uri
from stacks.machines.shapes import NodeShape
from stacks.server.serving_variant import fingerprint
from stacks.service import ServiceSettings, as_input, parse_service

_POLL_S = 1.0
# In the folder of the program: what the engine starts the plugin in.
_FOLDER = ".shapebench"
_IN_A_PREVIEW = {"url": "http://later", "grpcAddress": "later:1", "rerun": "later"}
"""What stands in for inputs that often come from resources of the same program, so that the others are checked."""


class ServiceInputs(ResourceInputs):
    """stacks.service.ServiceSettings, as a program gives them, and the digest of its recorded requests."""

    model_config = ConfigDict(extra="allow")

    payload_digest: str = ""

    def settings(self) -> ServiceSettings:
        """Raises ResourceError, which names each input that is wrong."""
        return _settings(self.model_extra or {})


class ServiceLoadTest(LoadTest[ServiceInputs, LocalLoadTestInputs]):
    """Run by Locust in a subprocess of the plugin, on the machine that runs `pulumi up`."""

    token: ClassVar[str] = "shapebench:index:LoadTest"  # noqa: S105 - Pulumi's name for a type
    inputs = ServiceInputs
    triggers: ClassVar[frozenset[str]] = frozenset(
        {"url", "grpcAddress", "protocol", "model", "server", "payload", "payloadDigest"}
        | {"load", "objective", "shape", "rerun"}
    )

    def check(self, inputs: Props) -> Props:
        """With the digest of what is in `payload.path`, so that other requests measure again."""
        known = {
            name: _IN_A_PREVIEW.get(name, value) if has_unknown(value) else value for name, value in inputs.items()
        }
        if has_unknown(known):
            return inputs
        settings = _settings(known)
        if (path := settings.payload.path) is None:
            return inputs
        try:
            return inputs | {"payloadDigest": digest_of(path, Path.cwd())}
        except SettingsError as error:
            raise ResourceError(as_input(str(error))) from None

    def test_of(self, inputs: ServiceInputs, operation: Operation) -> LocalLoadTestInputs:
        settings = inputs.settings()
        served = _served(settings, operation)
        folder = Path.cwd()
        try:
            what = sent(served.model, settings.payload, folder, settings.sent_over)
        except SettingsError as error:
            raise ResourceError(as_input(str(error))) from None
        return LocalLoadTestInputs(
            stack=settings.service,
            platform="local" if is_here(settings.base_url) else "service",
            base_url=settings.base_url,
            rest_url=settings.url,
            fingerprint=fingerprint({"server": served.server, "version": served.server_version}),
            serving=ServingInputs(
                server=served.server,
                server_version=served.server_version,
                protocol=settings.protocol,
                # How it was started is not known.
                intra_op=1,
                inter_op=1,
                server_args=(),
                model=Model(
                    name=served.model.name,
                    digest=served.digest,
                    weights="own",
                    requests=what.description,
                    instances=what.payload.instances,
                ),
            ),
            model=served.model,
            payload=str(payload_file(what.payload, folder / _FOLDER / "payloads")),
            payload_digest=what.payload.digest,
            check_answers=settings.payload.check,
            tolerance=settings.payload.tolerance,
            profile=settings.load,
            shape=NodeShape.of(settings.service, settings.shape),
            region=settings.region,
            repeats=settings.repeats,
            fresh_deployment=False,
            processes=settings.processes,
            rerun=settings.rerun,
            results=store_uri(settings.results, folder),
            work_dir=str(folder / _FOLDER / "runs"),
            server_log=None,
            start_timeout_s=settings.start_timeout_s,
        )

    def prepare(self, test: LocalLoadTestInputs, operation: Operation) -> RunOnce:  # noqa: ARG002 - a hook
        # It takes half a second to import, with pandas and SciPy, and most of Pulumi's commands measure nothing.
        from provider.measure_here import run_until_settled  # noqa: PLC0415 - see above

        return partial(run_until_settled, test)


def _served(settings: ServiceSettings, operation: Operation) -> ServedModel:
    """What the service says of its model, once it serves that; raises ResourceError where it does not in time."""
    deadline = time.monotonic() + settings.start_timeout_s
    while True:
        try:
            return served_model(settings)
        except SettingsError as error:
            raise ResourceError(as_input(str(error))) from None
        except NotServingError as error:
            if time.monotonic() > deadline:
                raise ResourceError(
                    f"{error}, so nothing was measured. The service did not say within startTimeoutS"
                    f" ({settings.start_timeout_s:g} s) that it serves the model {settings.model.name}; correct url,"
                    " protocol or model.name, or start the service before the load test (dependsOn)"
                ) from None
            operation.status(f"waiting for the service: {error}")
        if operation.cancelled.wait(_POLL_S):
            raise ResourceError("the update was cancelled before the service answered, so nothing was measured")


def _settings(values: dict[str, Any]) -> ServiceSettings:
    try:
        return parse_service({name: value for name, value in values.items() if name != "payloadDigest"})
    except SettingsError as error:
        raise ResourceError(str(error)) from None
