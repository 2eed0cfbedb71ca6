"""`shapebench model`: a SavedModel before it is measured: what it takes, which stacks can serve it, what to set."""

import json
import math
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from analysis.formatting import MISSING, count, counted, number
from analysis.report.tables import Column, Table
from loadtest.generator.clients.rest.request import rest_body_of
from loadtest.generator.payload import Payload
from loadtest.run.payload import payload_of
from loadtest.run.pod import payload_parts
from loadtest.run.remote_model import is_uri, remote_model
from loadtest.run.saved_model import files_of, model_of, problems_of, signatures_of, version_folder
from loadtest.run.signature import DeclaredSignature
from shapebench.output import note, print_card, print_code, print_json, print_table, print_text
from stacks.allocatable import stack_pod_resources
from stacks.explain import SettingsError, first_line
from stacks.files import load_settings, stack_names
from stacks.names import REST_PORT
from stacks.server.models import DEFAULT_SIGNATURE, VERSION, Model, ModelSettings
from stacks.server.protocols import REST
from stacks.settings import Settings
from tools.pins import ROOT

_KEY = "shapebench:model"
# Guesses of a size that the model leaves open: the side of an image, the length of a sequence, and a size that keeps
# an input with many dimensions small.
_IMAGE_SIDE, _LENGTH, _SMALL = 224, 128, 16
_CHANNELS = (1, 3, 4)
# A list of a request is shown whole up to this many elements.
_MOST_SHOWN = 4
# A request with more values is not written as JSON: that takes seconds, and nobody reads it.
_MOST_VALUES = 2**18
# A key of a path in Pulumi's configuration that needs no quotes.
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*")


@dataclass(frozen=True)
class StackFit:
    """Whether a stack can serve the model. `memory_mib` is that of a pod; None where it is not limited."""

    stack: str
    settings: Settings
    memory_mib: int | None
    problems: tuple[str, ...]

    @property
    def answer(self) -> str:
        if self.problems:
            return "no, see below"
        return "yes" if self.memory_mib else "not checked: no memory limit is set"


@dataclass(frozen=True)
class Shown:
    """A SavedModel, and what it takes to measure it."""

    path: str
    """As it was given."""
    folder: Path
    """That of saved_model.pb."""
    signatures: Mapping[str, DeclaredSignature]
    signature: str
    """The name of the one that requests would use."""
    files: Model
    """Without inputs and outputs: files, size, memory and load time."""
    problems: tuple[str, ...]
    """All that keeps it from being measured as it is."""
    guesses: Mapping[str, list[int]]
    """Shapes for the inputs that have any size."""

    @property
    def settings(self) -> ModelSettings:
        """With which it can be measured, unless it cannot be."""
        return ModelSettings(
            path=in_checkout(self.path),
            signature=None if self.signature == DEFAULT_SIGNATURE else self.signature,
            shapes=dict(self.guesses) or None,
        )

    @property
    def protocol(self) -> str:
        """What carries its types, REST where both do."""
        signature = self.signatures.get(self.signature)
        return REST.instead if signature and signature.not_carried(REST) else REST.name

    @cached_property
    def model(self) -> Model | None:
        """The model as these settings have it; None where no setting makes it measurable."""
        try:
            return model_of(self.settings, ROOT, protocol=self.protocol)
        except SettingsError:
            return None

    @cached_property
    def payload(self) -> Payload | None:
        return payload_of(self.model) if self.model else None

    @property
    def is_version(self) -> bool:
        """Whether the folder that was given has versions, of which one is served."""
        if is_uri(self.path):
            return bool(remote_model(self.path).version)
        return self.folder != (Path.cwd() / Path(self.path).expanduser()).resolve()

    @property
    def url(self) -> str:
        return f"http://localhost:{REST_PORT}/v1/models/{self.files.name}:predict"

    @cached_property
    def request(self) -> Any:  # noqa: ANN401 - any JSON
        """The body of a request over REST as a load test sends it, but with short numbers; None where none is shown."""
        if self.payload is None or self.protocol != "rest" or _values(self.payload) > _MOST_VALUES:
            return None
        (request,) = self.payload.requests
        return json.loads(rest_body_of(request, self.payload.signature), parse_float=lambda text: round(float(text), 2))


def print_model(path: str, signature: str | None, *, as_json: bool) -> None:
    """Print all that is known of the SavedModel in a folder; raises SettingsError where there is none."""
    shown = read_model(path or ".", signature)
    fits = list(_fits(shown))
    if as_json:
        print_json(_json(shown, fits))
    else:
        _print_text(shown, fits)


def in_checkout(path: str) -> str:
    """A path of the working folder as a setting has it: relative in the checkout, which is elsewhere on other machines.

    A path outside the checkout is absolute, and a URI stays as it is.
    """
    if is_uri(path):
        return path
    whole = Path(os.path.normpath(Path.cwd() / Path(path).expanduser()))
    return str(whole.relative_to(ROOT) if whole.is_relative_to(ROOT) else whole)


def read_model(path: str, requested: str | None = None) -> Shown:
    """What is known of the SavedModel in a folder, with the `requested` signature; raises SettingsError without one."""
    # A copy is in the cache of the checkout.
    base = ROOT if is_uri(path) else Path.cwd()
    folder = version_folder(path, base, "PATH")
    signatures = signatures_of(folder)
    files = files_of(path, base)
    as_it_is = ModelSettings(path=path, signature=requested or None)
    name, problems = requested or DEFAULT_SIGNATURE, []
    try:
        problems = problems_of(as_it_is, base)
    except SettingsError as error:
        if requested is not None:
            raise
        problems = [str(error)]
        if callable_ones := [key for key, signature in signatures.items() if signature.inputs]:
            # The first one takes its place, in the settings, too.
            name = callable_ones[0]
            problems += problems_of(as_it_is.model_copy(update={"signature": name}), base)
    inputs = signatures[name].inputs if name in signatures else ()
    guesses = {tensor.name: guess for tensor in inputs if (guess := _guess(tensor.shape))}
    return Shown(path, folder, signatures, name, files, tuple(problems), guesses)


def _guess(shape: tuple[int | None, ...] | None) -> list[int] | None:
    """The shape of an instance, with a likely size for each that is open; None where none is."""
    instance = (None,) if shape is None else shape[1:]
    if None not in instance:
        return None
    open_size = _SMALL if len(instance) > 2 else _LENGTH
    if len(instance) == 3 and instance[-1] in _CHANNELS:
        open_size = _IMAGE_SIDE
    return [size or open_size for size in instance]


def _values(payload: Payload) -> int:
    return sum(math.prod(tensor.shape) for request in payload.requests for tensor in request.inputs)


def _fits(shown: Shown) -> Iterator[StackFit]:
    """Each stack with a valid file; a note names the others."""
    payload = shown.payload.to_bytes() if shown.payload else b""
    for stack in stack_names():
        try:
            settings = load_settings(stack)
        except SettingsError as error:
            note(f"skipped: stack {stack}: {first_line(error)}")
            continue
        memory_mib, problems = None, []
        try:
            pod = stack_pod_resources(stack, settings, shown.files)
            memory_mib = pod and pod.memory_mib
        except SettingsError as error:
            problems.append(str(error))
        try:
            if settings.platform != "local":
                payload_parts(payload)
        except SettingsError as error:
            problems.append(str(error))
        yield StackFit(stack, settings, memory_mib, tuple(problems))


def _print_text(shown: Shown, fits: list[StackFit]) -> None:
    files = shown.files
    served = f"version folder {shown.folder.name}, the highest" if shown.is_version else "the folder itself"
    print_card(
        f"SavedModel {shown.path}",
        [
            ("Served", f"{served}, as version {VERSION} of the model {files.name}"),
            ("Size", f"{counted(len(files.files), 'file')}, {number(files.size_bytes / 1e6)} MB"),
            ("Memory", f"a pod needs {count(files.least_memory_mib)} MiB"),
            ("Load limit", f"{count(files.load_limit_s)} s; a pod that has not loaded it by then is restarted"),
        ],
    )
    if shown.signatures:
        print_table(_signatures_table(shown), "\nSignatures (? is any size)")
    print_table(_stacks_table(fits), "\nStacks")
    for problem in dict.fromkeys(chain.from_iterable(fit.problems for fit in fits)):
        print_text(f"- {', '.join(fit.stack for fit in fits if problem in fit.problems)}: {problem}")
    print_text(f"\n{_verdict(shown)}")
    for problem in shown.problems:
        print_text(f"- {problem}")
    if shown.model:
        print_text("\nSettings, by command:")
        print_code("\n".join(_commands(shown)))
        print_text("\nor in the stack's file:")
        protocol = ["  shapebench:serving:", f"    protocol: {shown.protocol}"] if shown.protocol != "rest" else []
        print_code("\n".join(["config:", *yaml_lines(shown), *protocol]))
    _print_request(shown)


def _verdict(shown: Shown) -> str:
    uses = f" with its signature {shown.signature}" if shown.signature in shown.signatures else ""
    if not shown.problems:
        return f"It can be served and measured as it is,{uses}."
    if shown.model:
        return f"It can be served and measured{uses} once these are set, as below:"
    return f"It cannot be measured{uses}, and no setting changes that:"


def _signatures_table(shown: Shown) -> Table:
    rows = [
        (name, direction, tensor.name, tensor.dtype, tensor.shape_text)
        for name, signature in shown.signatures.items()
        for direction, tensors in (("input", signature.inputs), ("output", signature.outputs))
        for tensor in tensors
    ]
    columns = ("signature", "tensor", "name", "type", "shape")
    return Table("Signatures", tuple(Column(title, "text") for title in columns), tuple(rows))


def _stacks_table(fits: list[StackFit]) -> Table:
    rows = [
        (
            fit.stack,
            f"{fit.settings.shape.nodes} × {fit.settings.shape.machine_type}",
            MISSING if fit.memory_mib is None else count(fit.memory_mib),
            fit.answer,
        )
        for fit in fits
    ]
    columns = (
        Column("stack", "text"),
        Column("shape", "text"),
        Column("memory of a pod, MiB"),
        Column("can serve it", "wrap"),
    )
    return Table("Stacks", columns, tuple(rows))


def _commands(shown: Shown) -> list[str]:
    settings = shown.settings
    values = {f"{_KEY}.path": settings.path, f"{_KEY}.signature": settings.signature} | {
        f"{_KEY}.shapes{_key(name)}[{at}]": size
        for name, shape in shown.guesses.items()
        for at, size in enumerate(shape)
    }
    if shown.protocol != "rest":
        values["shapebench:serving.protocol"] = shown.protocol
    return [
        shlex.join(["pulumi", "config", "set", "--path", key, str(value), "--stack", "local"])
        for key, value in values.items()
        if value is not None
    ]


def _key(name: str) -> str:
    return f".{name}" if _PLAIN_KEY.fullmatch(name) else f"[{json.dumps(name)}]"


def yaml_lines(shown: Shown) -> Iterator[str]:
    """The lines of the model's settings below `config:` in a stack file."""
    settings = shown.settings.model_dump(include={"path", "signature"}, exclude_none=True)
    yield f"  {_KEY}:"
    for key, value in settings.items():
        yield f"    {_yaml_of({key: value})}"
    if shown.guesses:
        yield "    shapes:"
    for name, shape in shown.guesses.items():
        yield f"      {_yaml_of({name: shape})}  # a guess: the model takes any size here"


def _yaml_of(value: dict[str, Any]) -> str:
    """One line: lists in brackets."""
    flow = None if any(isinstance(member, list) for member in value.values()) else False
    return yaml.safe_dump(value, default_flow_style=flow, width=float("inf"), allow_unicode=True).strip()


def _print_request(shown: Shown) -> None:
    if shown.payload is None:
        return
    if shown.request is None:
        too_many = f"it would have {count(_values(shown.payload))} values"
        why = too_many if shown.protocol == "rest" else "no request over REST can carry its types"
        print_text(f"\nSample request: none, since {why}.")
        return
    body = _abbreviated(shown.request)
    print_text("\nSample request of TensorFlow Serving's REST API, while the stack local is up:")
    if body == json.dumps(shown.request):
        print_code(f"curl {shown.url} \\\n  -d {shlex.quote(body)}")
        return
    print_code(f"curl {shown.url} -d @request.json")
    print_text("where request.json is, with … for more values, up to the number that follows:")
    print_text(body)


def _abbreviated(value: Any) -> str:  # noqa: ANN401 - any JSON
    """JSON with the beginning and the length of long lists."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key)}: {_abbreviated(member)}' for key, member in value.items())}}}"
    if not isinstance(value, list):
        return json.dumps(value)
    if len(value) <= _MOST_SHOWN:
        return f"[{', '.join(map(_abbreviated, value))}]"
    first = value[: 1 if isinstance(value[0], list) else 2]
    return f"[{', '.join(map(_abbreviated, first))}, … {len(value)}]"


def _json(shown: Shown, fits: list[StackFit]) -> dict[str, Any]:
    files = shown.files
    return {
        "path": shown.path,
        "folder": str(shown.folder),
        "name": files.name,
        "version": VERSION,
        "files": files.files,
        "size_bytes": files.size_bytes,
        "least_memory_mib": files.least_memory_mib,
        "load_limit_s": files.load_limit_s,
        "signatures": {name: asdict(signature) for name, signature in shown.signatures.items()},
        "signature": shown.signature,
        "stacks": [
            {
                "stack": fit.stack,
                "platform": fit.settings.platform,
                "shape": fit.settings.node_shape(fit.stack).model_dump(),
                "memory_mib": fit.memory_mib,
                "problems": fit.problems,
            }
            for fit in fits
        ],
        "problems": shown.problems,
        "measurable": shown.model is not None,
        "settings": shown.settings.model_dump(exclude_defaults=True) if shown.model else None,
        "protocol": shown.protocol if shown.model else None,
        "guessed_shapes": shown.guesses,
        "request": {"url": shown.url, "body": shown.request} if shown.model else None,
    }
