"""What the provider reads back from Google beside what was declared: each value with its source.

Values are as version 7.45 of the provider keeps them, after it has translated the API's answer: a message that the API
leaves out is `false` or absent here. docs/stand-in-answers.md lists them; a test compares both.
"""

import copy
import hashlib
from base64 import b64encode
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Properties = dict[str, Any]
# How the engine writes a value that it does not know yet.
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
COMPUTE = "https://www.googleapis.com/compute/v1"


@dataclass(frozen=True)
class Place:
    """Where the provider is configured to make things, and the API server of its clusters."""

    project: str
    region: str
    zone: str
    control_plane: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """What an answer may depend on: the inputs, the resource's id, and where the provider makes things."""

    inputs: Properties
    identity: str
    place: Place


class LeftOut(StrEnum):
    """What follows from a field that is answered and that the program does not declare: the provider's schema."""

    KEPT = "kept"
    """Optional and computed, or output only: the answer stands."""
    DEFAULT = "default"
    """The schema has a default, which is this value."""
    SUPPRESSED = "suppressed"
    """The schema suppresses the difference."""
    DIFFERS = "differs"
    """Optional only: a difference at every update."""


class Source(StrEnum):
    """Where an answer is documented: docs/stand-in-answers.md says more about each."""

    RECORDING_2025 = "recording 2025"
    RECORDING_2026 = "recording 2026"
    REFERENCE = "API reference"
    PROVIDER = "provider"

    @property
    def sure(self) -> str:
        """`inferred` where no recording has the field."""
        return "inferred" if self is Source.REFERENCE else "read"


@dataclass(frozen=True)
class Answer:
    """The value of one field, or block of fields, that was not declared. A declared value comes back as it is."""

    path: str
    value: Any
    """Plain, or made from what was asked. None leaves the field out."""
    source: Source
    left_out: LeftOut = LeftOut.KEPT
    in_place: bool = False
    """In place of a declared value, which the provider takes for the same. Depends on the inputs only."""
    planned: bool = False
    """Known before the resource is made."""

    def of(self, resource: Asked) -> Any:
        return self.value(resource) if callable(self.value) else copy.deepcopy(self.value)


def as_read(answers: tuple[Answer, ...], inputs: Properties) -> Properties:
    """The inputs as the provider reads them back."""
    resource = Asked(inputs, "", Place("", "", ""))
    changed = {
        answer.path: answer.of(resource)
        for answer in answers
        if answer.in_place and inputs.get(answer.path, UNKNOWN) != UNKNOWN
    }
    return copy.deepcopy(inputs) | changed


def apply(answers: tuple[Answer, ...], resource: Asked) -> Properties:
    """The inputs with each answer in its place. A field of a block that is not there is left out."""
    properties = as_read(answers, resource.inputs)
    for answer in answers:
        block, name = _block(properties, answer.path)
        if block is not None and block.get(name) is None and (value := answer.of(resource)) is not None:
            block[name] = value
    return properties


def apply_unknown(answers: tuple[Answer, ...], inputs: Properties) -> Properties:
    """The inputs with what is unknown before the resource is made."""
    properties = copy.deepcopy(inputs)
    for answer in answers:
        block, name = _block(properties, answer.path)
        if answer.left_out is LeftOut.KEPT and block is not None and name not in block:
            block[name] = answer.of(Asked(inputs, "", Place("", "", ""))) if answer.planned else UNKNOWN
    return properties


def labels_of(field: str) -> tuple[Answer, ...]:
    """All labels of a resource whose declared ones are in `field`: the engine's provider adds its own."""

    def labels(resource: Asked) -> Any:
        declared = resource.inputs.get(field) or {}
        return declared | {"goog-pulumi-provisioned": "true"} if isinstance(declared, dict) else declared

    return tuple(Answer(path, labels, Source.PROVIDER, planned=True) for path in ("effectiveLabels", "pulumiLabels"))


def _block(properties: Properties, path: str) -> tuple[Properties | None, str]:
    *parents, name = path.split(".")
    block: Any = properties
    for parent in parents:
        block = block.get(parent) if isinstance(block, dict) else None
    return (block if isinstance(block, dict) else None), name


def by_address(resource: Asked) -> bool:
    """Whether the control plane has an IP address: the API's default."""
    endpoints = resource.inputs.get("controlPlaneEndpointsConfig") or {}
    return bool((endpoints.get("ipEndpointsConfig") or {"enabled": True}).get("enabled"))


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def digits(text: str) -> str:
    return str(int(digest(text)[:14], 16))


def short(text: str) -> str:
    """A fingerprint as Google writes them."""
    return b64encode(digest(text)[:9].encode()).decode()


def project_of(resource: Asked) -> str:
    return resource.inputs.get("project") or resource.place.project
