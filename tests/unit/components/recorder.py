"""A recording engine: answers as Google Cloud and our own plugin would, and remembers what was asked for and how."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import mocks

PROJECT, PROJECT_NUMBER = "acme-lab", 123456789012
EXPORT = {"path": "/models/resnet", "digest": "d1", "usedWeights": "random"}
LEASE = {"startsAt": "2026-11-25T01:00:00Z", "expiresAt": "2026-11-26T02:00:00Z", "commit": "876bcdc"}
DNS_ENDPOINT, ADDRESS, CERTIFICATE = "gke-0a1b.us-central1-a.gke.goog", "34.1.2.3", "Q0E="


@dataclass(frozen=True)
class Registration:
    """One resource as the engine heard of it; options by the names that the engine gives them."""

    typ: str
    name: str
    urn: str
    inputs: dict[str, Any]
    protect: bool
    ignore_changes: tuple[str, ...]
    delete_before_replace: bool
    depends_on: frozenset[str]
    """URNs, those that its inputs come from among them."""
    provider: str
    parent: str
    deleted_with: str
    create_timeout: str
    """Empty for the provider's own."""


@dataclass
class Recording:
    """Everything that was registered, and what a program made of it."""

    resources: list[Registration] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def of(self, typ: str) -> list[Registration]:
        """All whose type ends so, such as `cluster:Cluster`."""
        return [resource for resource in self.resources if resource.typ.endswith(typ)]

    def one(self, typ: str, name: str = "") -> Registration:
        """The only one of the type whose name ends so."""
        (found,) = [each for each in self.of(typ) if each.name.endswith(name)]
        return found

    @property
    def described(self) -> dict[str, tuple[str, bool]]:
        """What tells two recordings apart, by name: inputs (as JSON, for no asset equals another) and protection.

        Without the check of the results store: it is given the settings, so it would hide one that nothing else has.
        """
        return {
            f"{resource.typ}/{resource.name}": (
                json.dumps(resource.inputs, default=vars, sort_keys=True),
                resource.protect,
            )
            for resource in self.resources
            if not resource.typ.endswith(":StoreCheck")
        }


def record(program: Callable[[], Any], *, stack: str = "8cpu-16gb", preview: bool = False) -> Recording:
    """Run a program to its end. In a preview, what a real engine could not know yet stays unknown."""
    recording = Recording()

    async def run() -> None:
        answers = _Answers(recording, preview=preview)
        monitor = _Monitor(answers, recording)
        mocks.set_mocks(answers, project="shapebench", stack=stack, preview=preview, monitor=monitor)
        program()
        await pulumi.runtime.stack.wait_for_rpcs()

    asyncio.run(run())
    return recording


class _Answers(mocks.Mocks):
    def __init__(self, recording: Recording, *, preview: bool) -> None:
        self._recording, self._preview = recording, preview

    def new_resource(self, args):
        return args.name, args.inputs if self._preview else _made(args.typ.rsplit(":", 1)[-1], args.name, args.inputs)

    def call(self, args):
        self._recording.calls.append(args.token)
        return {}


class _Monitor(mocks.MockMonitor):
    def __init__(self, answers: mocks.Mocks, recording: Recording) -> None:
        super().__init__(answers)
        self._recording = recording

    def RegisterResource(self, request):  # noqa: N802 - gRPC's name
        response = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            self._recording.resources.append(
                Registration(
                    typ=request.type,
                    name=request.name,
                    urn=response.urn,
                    inputs=pulumi.runtime.rpc.deserialize_properties(request.object),
                    protect=request.protect,
                    ignore_changes=tuple(request.ignoreChanges),
                    delete_before_replace=request.deleteBeforeReplace,
                    depends_on=frozenset(request.dependencies),
                    provider=request.provider,
                    parent=request.parent,
                    deleted_with=request.deletedWith,
                    create_timeout=request.customTimeouts.create,
                )
            )
        return response


def _made(kind: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """The outputs of a resource that has just been made."""
    match kind:
        case "ModelExport":
            return inputs | EXPORT
        case "Lease":
            return inputs | LEASE
        case "Account":
            email = f"{inputs['accountId']}@{PROJECT}.iam.gserviceaccount.com"
            return inputs | {"project": PROJECT, "email": email, "name": f"projects/{PROJECT}/serviceAccounts/{email}"}
        case "Cluster":
            endpoints = inputs["controlPlaneEndpointsConfig"]
            dns = endpoints["dnsEndpointConfig"] | {"endpoint": DNS_ENDPOINT}
            return (
                {"name": f"{name}-1a2b3c4"}
                | inputs
                | {
                    "endpoint": ADDRESS,
                    "masterAuth": inputs["masterAuth"] | {"clusterCaCertificate": CERTIFICATE},
                    "controlPlaneEndpointsConfig": endpoints | {"dnsEndpointConfig": dns},
                }
            )
    if "metadata" in inputs:
        return inputs | {"metadata": {"name": f"{name}-1a2b3c4"} | inputs["metadata"]}
    return {"name": f"{name}-1a2b3c4", "project": PROJECT, "projectNumber": PROJECT_NUMBER} | inputs
