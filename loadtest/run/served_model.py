"""Asks a service what its model takes and answers with, and what serves it."""

import hashlib
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from loadtest.generator.clients.grpc.messages import DATA_TYPES
from loadtest.generator.clients.v2.data_types import DATATYPES
from loadtest.run.signature import DeclaredSignature, DeclaredTensor, sent_model
from stacks.explain import SettingsError
from stacks.server.models import DEFAULT_SIGNATURE, Model
from stacks.service import ServedModelSettings, ServiceSettings

_TIMEOUT_S = 10.0
# More than any metadata, and less than what would hurt.
_MOST_BYTES = 16 * 2**20
_DTYPES = {datatype: dtype for dtype, datatype in DATATYPES.items()}
# The names of tensorflow.DataType; those of three types are not what NumPy calls them.
_DT_NAMES = {f"DT_{name.upper()}": name for name in DATA_TYPES} | {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_HALF": "float16",
}
_UNKNOWN = "unknown"


class NotServingError(Exception):
    """The service does not say that it serves the model, or not yet; the text says what it answered."""


@dataclass(frozen=True)
class ServedModel:
    """A model as its service describes it. `digest` is what tells it from others."""

    model: Model
    digest: str
    server: str
    server_version: str


def served_model(settings: ServiceSettings) -> ServedModel:
    """Asks the service; raises NotServingError, and SettingsError where a load test cannot send to the model."""
    asked = settings.model
    try:
        said = _v2(settings.url, asked) if settings.speaks_v2 else _tf_serving(settings.url, asked)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        if isinstance(error, SettingsError):
            raise
        raise NotServingError(f"{settings.url} described {asked.name} in another form than its protocol's") from error
    base = Model(
        name=asked.name,
        title=asked.name,
        signature=DEFAULT_SIGNATURE,
        inputs=(),
        outputs=(),
        payload="generated",
        files=(),
        size_bytes=0,
    )
    is_recorded = settings.payload.path is not None
    model = sent_model(base, said.name, said.signature, asked, settings.sent_over, is_recorded=is_recorded)
    server, version = (settings.server.name, settings.server.version) if settings.server else said.server
    return ServedModel(model, asked.digest or said.digest, server, version)


@dataclass(frozen=True)
class _Said:
    name: str
    """Of the signature."""
    signature: DeclaredSignature
    digest: str
    server: tuple[str, str]


def _v2(url: str, asked: ServedModelSettings) -> _Said:
    """The Open Inference Protocol: github.com/kserve/open-inference-protocol, "Model Metadata", "Server Metadata"."""
    if asked.signature is not None:
        raise SettingsError(
            f"model.signature is {asked.signature!r}, but the Open Inference Protocol has no signatures, so it would"
            " change nothing; remove it"
        )
    document = _asked(f"{url}/v2/models/{quote(asked.name)}")
    inputs, outputs = ([_v2_tensor(each) for each in document.get(kind) or ()] for kind in ("inputs", "outputs"))
    if not inputs:
        raise SettingsError(
            f"{url} names no inputs of the model {asked.name}, so it is not known what to send; have it answer"
            f" /v2/models/{asked.name} with the model's inputs and outputs"
        )
    return _Said(
        DEFAULT_SIGNATURE,
        DeclaredSignature(tuple(inputs), tuple(outputs)),
        _digest({key: document.get(key) for key in ("name", "platform", "versions", "inputs", "outputs")}),
        _v2_server(url),
    )


def _v2_server(url: str) -> tuple[str, str]:
    """Its name and version; not every service has this address."""
    try:
        said = _asked(f"{url}/v2")
    except NotServingError:
        said = {}
    return str(said.get("name") or _UNKNOWN), str(said.get("version") or _UNKNOWN)


def _v2_tensor(document: Mapping[str, Any]) -> DeclaredTensor:
    datatype = str(document["datatype"])
    shape = tuple(None if size < 0 else int(size) for size in document["shape"])
    return DeclaredTensor(str(document["name"]), _DTYPES.get(datatype, datatype), shape)


def _tf_serving(url: str, asked: ServedModelSettings) -> _Said:
    """TensorFlow Serving: www.tensorflow.org/tfx/serving/api_rest, "Model Metadata API"."""
    document = _asked(f"{url}/v1/models/{quote(asked.name)}/metadata")
    signatures: Mapping[str, Any] = document["metadata"]["signature_def"]["signature_def"]
    name = asked.signature or DEFAULT_SIGNATURE
    if name not in signatures:
        raise SettingsError(
            f"the model {asked.name} at {url} has no signature {name!r}; set model.signature to one of"
            f" {', '.join(sorted(signatures)) or '(none)'}"
        )
    inputs, outputs = (
        tuple(_tf_tensor(key, info) for key, info in sorted((signatures[name].get(kind) or {}).items()))
        for kind in ("inputs", "outputs")
    )
    version = document.get("model_spec", {}).get("version")
    return _Said(
        name,
        DeclaredSignature(inputs, outputs),
        _digest({"name": asked.name, "version": version, "signature": signatures[name]}),
        ("tf-serving", _UNKNOWN),
    )


def _tf_tensor(name: str, info: Mapping[str, Any]) -> DeclaredTensor:
    shape = info.get("tensor_shape") or {}
    sizes = [int(dim["size"]) for dim in shape.get("dim") or ()]
    dtype = str(info["dtype"])
    return DeclaredTensor(
        name,
        _DT_NAMES.get(dtype, dtype),
        None if shape.get("unknown_rank") else tuple(None if size < 0 else size for size in sizes),
    )


def _asked(url: str) -> dict[str, Any]:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:  # noqa: S310 - http, as its pattern says
            document = json.loads(answer.read(_MOST_BYTES))
    except urllib.error.HTTPError as error:
        raise NotServingError(f"{url} answered {error.code} {error.reason}") from None
    except (OSError, HTTPException) as error:
        raise NotServingError(f"{url} did not answer: {getattr(error, 'reason', None) or error}") from None
    except ValueError:
        raise NotServingError(f"{url} answered no JSON") from None
    if not isinstance(document, dict):
        raise NotServingError(f"{url} answered no JSON object")
    return document


def _digest(document: object) -> str:
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
