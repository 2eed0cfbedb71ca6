"""The fields of a manifest that are published, each by name: whatever is not named here is not published.

Numbers, and texts of a fixed set, are published as they are. Readers need to know which runs share a node, a deployment
or an image, but not its name, so names become pseudonyms. Sentences are not published.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from analysis.pricing.catalogue import NAME as CATALOGUE
from analysis.publish.pseudonyms import Pseudonyms
from analysis.results.schema.manifest import Manifest
from analysis.results.schema.samples import SERVER
from stacks.machines.machine_series import ALL_SERIES, BOOT_DISKS, UnknownMachineTypeError, machine_resources
from stacks.server.images import name_and_version
from stacks.server.protocols import PROTOCOLS
from stacks.server.servers import ALL_SERVERS

_PRICE_LISTS = {CATALOGUE, "embedded snapshot of Google Cloud's list prices"}
_REGISTRY = "docker.io/"
_IMAGES = {
    "tensorflow/serving",
    *(protocol.generator_image.partition(":")[0] for protocol in PROTOCOLS.values()),
    *(server.image_prefix for server in ALL_SERVERS if server.image_prefix),
}
_SERVERS = {server.name for server in ALL_SERVERS}
_CPU_PLATFORMS = {name for series in ALL_SERIES for name in series.min_cpu_platforms}
_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc|\.post|\.dev)\d+)?")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_KERNEL = re.compile(r"\d+(\.\d+)*")
# One line of what is sent: `stacks.server.models.Model.requests`, without the values that a stack's file may list.
_INPUT = r"[\w.:/-]+ [\w.:/-]+ \w+ \[[\d, ]*\] (of sentences|from \S+ to \S+)"
_REQUESTS = re.compile(rf"{_INPUT}(; {_INPUT})*|[\w./-]+, \d+ recorded requests, sha256 [0-9a-f]{{64}}")

Published = Callable[[Any, Pseudonyms], Any]
"""What is published of a value that is neither None nor a list nor an object."""
Fields = Mapping[str, Any]
"""By the name of a field a `Published`, or the `Fields` of an object; of a list, those of each of its items."""


def _as_it_is(value: object, _: Pseudonyms) -> object:
    """A number, a time, or a text that the schema, this project or a public price list fixes."""
    return value


def _without_words(*_: object) -> str:
    """That there is a reason, without its sentence."""
    return "the reason is not published"


def _named(kind: str, form: str = "{0}-{1}") -> Published:
    return lambda name, pseudonyms: pseudonyms.of(kind, name, form)


def _known(kind: str, is_known: Callable[[str], object]) -> Published:
    """A text as it is where it is of a known form, else its pseudonym: two that differ still do."""
    return lambda text, pseudonyms: text if is_known(text) else pseudonyms.of(kind, text)


def _beginning(form: re.Pattern[str]) -> Published:
    """A version without what whoever built it added."""
    return lambda text, _: found[0] if (found := form.match(text)) else "unknown"


def _is_machine_type(name: str) -> bool:
    try:
        machine_resources(name)
    except UnknownMachineTypeError:
        return False
    return True


def _is_version(text: str) -> bool:
    return bool(_VERSION.fullmatch(text) or _DIGEST.fullmatch(text))


def is_public(image: str) -> bool:
    """Whether its name is of an image that anybody can pull or build, with a version that everybody sees."""
    name, version = name_and_version(image)
    digest = image.partition("@")[2]
    return name.removeprefix(_REGISTRY) in _IMAGES and _is_version(version) and _is_version(digest or version)


def _image(images: str, pseudonyms: Pseudonyms) -> str:
    """Public images as they are; others by their digests, by which they are compared."""
    return ", ".join(_one_image(image, pseudonyms) for image in images.split(", "))


def _one_image(image: str, pseudonyms: Pseudonyms) -> str:
    name, digest = name_and_version(image)[0], image.partition("@")[2]
    if is_public(image):
        return image
    return f"{pseudonyms.of('image', name)}@{digest}" if _DIGEST.fullmatch(digest) else pseudonyms.of("image", image)


def _fields(names: str) -> dict[str, Published]:
    return dict.fromkeys(names.split(), _as_it_is)


_MACHINE: Fields = {
    "node": _named("node"),
    **_fields("cpu_vendor cpu_model cpu_signature cpu_flags"),
    "kernel": _beginning(_KERNEL),
}
MANIFEST: Fields = {
    **_fields("schema_version run_id stack platform seed started_at finished_at git_commit"),
    "shape": {
        **_fields("vcpus memory_gb nodes"),
        "machine_type": _known("machine type", _is_machine_type),
        "boot_disk": _known("boot disk", BOOT_DISKS.__contains__),
        "min_cpu_platform": _known("CPU platform", _CPU_PLATFORMS.__contains__),
    },
    "serving": {
        **_fields("protocol replicas intra_op inter_op cpu_limit one_dnn rest_threads grpc_threads seed_faithful"),
        "server": _known("server", _SERVERS.__contains__),
        "server_version": _known("version", _is_version),
        "server_args": _named("argument"),
        "image": _image,
        "batching": _fields("max_batch_size batch_timeout_micros max_enqueued_batches num_batch_threads"),
        "model": {
            **_fields("weights instances"),
            "name": _known("model", re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}").fullmatch),
            "digest": _known("digest", _DIGEST.fullmatch),
            "requests": _known("request list", _REQUESTS.fullmatch),
        },
        "computation": _fields("precision largest_difference"),
    },
    "replicas": {
        **_MACHINE,
        "name": _known("replica", lambda name: name == SERVER),
        "machine": _named("machine"),
        "ready_after_s": _as_it_is,
    },
    "deployment": _named("deployment", "d{1:011x}"),
    "load": _fields(
        "mode warmup_s duration_s users spawn_rate_per_s wait_s pauses rate_rps arrivals seed max_in_flight ramp_s"
        " rates_rps quantile latency_ms error_ratio lowest_rps highest_rps precision"
    ),
    "autoscaler": _fields("target_percent fewest stabilization_s request_millis"),
    "generator": {
        **_fields("processes cpu_peak_percent shares_host_with_server"),
        "kind": _known("generator", re.compile(rf"locust( {_VERSION.pattern})?").fullmatch),
        "nodes": _named("node"),
        "machine": _MACHINE,
    },
    "cost": {
        **_fields("currency hourly"),
        "region": _known("region", re.compile(r"[a-z]+-[a-z]+\d+").fullmatch),
        "prices_as_of": _known("price list", re.compile(r"\d{4}-\d{2}-\d{2}").fullmatch),
        "source": _known("price list", _PRICE_LISTS.__contains__),
        "line_items": {
            **_fields("name category sku sku_id quantity unit unit_price hourly"),
            "reason": _without_words,
        },
    },
    "capacity": {
        **_fields("quantile latency_ms error_ratio"),
        "imprecise_because": _without_words,
        "rps": _fields("value low high"),
        "steps": _fields("rate_rps arrivals achieved_rps requests p50_ms p99_ms error_ratio meets disturbed"),
    },
    "other_cpu": {**_fields("cores stolen_cores machine_cores usable_cores"), "node": _named("node")},
    # A run with reasons is not valid, so not published: of reasons nothing is.
    "validity": {"verdict": _as_it_is, "reasons": {}},
    "repeat": {
        **_fields("index of"),
        "group": _known("group", re.compile(r"[0-9A-HJKMNP-TV-Z]{26}").fullmatch),
    },
    "software": {
        **dict.fromkeys(("python", "shapebench", "locust", "tensorflow", "keras", "pulumi"), _beginning(_VERSION)),
        "linux": _beginning(_KERNEL),
        "generator image": _image,
    },
}


def public_manifest(manifest: Manifest, pseudonyms: Pseudonyms) -> Manifest:
    """The manifest of a valid run with the fields of MANIFEST alone, which names no files yet."""
    content = _published(json.loads(manifest.model_dump_json()), MANIFEST, pseudonyms)
    content["shape"]["name"] = content["stack"]
    return Manifest.model_validate_json(json.dumps(content))


def _published(value: Any, fields: Published | Fields, pseudonyms: Pseudonyms) -> Any:  # noqa: ANN401 - any JSON
    if value is None:
        return None
    if isinstance(value, list):
        return [_published(item, fields, pseudonyms) for item in value]
    if callable(fields):
        # An object that has come in the place of a value: none of its fields is named.
        return None if isinstance(value, dict) else fields(value, pseudonyms)
    return {name: _published(value[name], fields[name], pseudonyms) for name in fields if name in value}
