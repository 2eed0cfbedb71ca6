"""What a model declares of its inputs and outputs, and what is sent to it: whether it was read or asked of a server."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from loadtest.generator.clients.grpc.messages import DATA_TYPES
from loadtest.generator.payload import CODES, FLOATS, STRING, fits, packed
from stacks.explain import SettingsError
from stacks.server.models import Model, SignatureSettings, TensorSpec
from stacks.server.protocols import ProtocolFacts

_KEY = "shapebench:model"


@dataclass(frozen=True)
class DeclaredTensor:
    """An input or an output as the model declares it. None in `shape` is any size; without a shape it has any."""

    name: str
    dtype: str
    shape: tuple[int | None, ...] | None

    @property
    def shape_text(self) -> str:
        return _shown(self.shape)


@dataclass(frozen=True)
class DeclaredSignature:
    """A signature as the model declares it, whether or not a load test can use it."""

    inputs: tuple[DeclaredTensor, ...]
    outputs: tuple[DeclaredTensor, ...]

    def not_carried(self, protocol: ProtocolFacts) -> tuple[DeclaredTensor, ...]:
        return tuple(each for each in (*self.inputs, *self.outputs) if each.dtype in protocol.not_carried)


def sent_model(
    model: Model,
    name: str,
    signature: DeclaredSignature,
    settings: SignatureSettings,
    protocol: ProtocolFacts,
    *,
    is_recorded: bool = False,
) -> Model:
    """The model with what is sent to its signature `name`; raises SettingsError with all of `problems_with`.

    Where its requests are recorded, they say what size an input has.
    """
    if problems := problems_with(signature, settings, protocol, is_recorded=is_recorded):
        raise SettingsError("\n".join(problems))
    return model.model_copy(
        update={
            "signature": name,
            "inputs": tuple(_input(each, settings, is_recorded=is_recorded) for each in signature.inputs),
            "outputs": tuple(_output(output) for output in signature.outputs),
            "ranges": settings.ranges or {},
            "values": settings.values or {},
        }
    )


def problems_with(
    signature: DeclaredSignature,
    settings: SignatureSettings,
    protocol: ProtocolFacts,
    *,
    is_recorded: bool = False,
) -> list[str]:
    """Why a load test cannot send to it."""
    inputs, outputs = signature.inputs, signature.outputs
    checks: list[Callable[[], object]] = [
        *(partial(_instance, each, settings, is_recorded=is_recorded) for each in inputs),
        *(partial(_dtype, each, "input") for each in inputs),
        *(partial(_dtype, output, "output") for output in outputs),
        partial(_require_same_instances, inputs),
        *(partial(_require_known, key, settings, inputs) for key in ("shapes", "ranges", "values")),
        *(partial(_require_values, each, settings) for each in inputs),
        partial(_require_carried, signature, protocol),
    ]
    return list(_refusals(checks))


def _refusals(checks: Sequence[Callable[[], object]]) -> Iterator[str]:
    for check in checks:
        try:
            check()
        except SettingsError as error:
            yield str(error)


def _input(named: DeclaredTensor, settings: SignatureSettings, *, is_recorded: bool) -> TensorSpec:
    instances = (named.shape or (None,))[0]
    instance = _instance(named, settings, is_recorded=is_recorded)
    return TensorSpec(name=named.name, dtype=_dtype(named, "input"), shape=(instances, *instance))


def _instance(named: DeclaredTensor, settings: SignatureSettings, *, is_recorded: bool) -> tuple[int | None, ...]:
    """The shape of one instance of an input."""
    name, known = named.name, named.shape
    given = (settings.shapes or {}).get(name)
    if known == ():
        raise SettingsError(
            f"the model's input {name!r} is a single value without a dimension for instances, which TensorFlow"
            " Serving's REST API cannot send in rows; save the model with a signature that takes instances"
        )
    if given is not None and known is not None and not fits(given, known[1:]):
        raise SettingsError(
            f"{_KEY}.shapes.{name} is {given}, but the model takes {_shown(known[1:])} there, where ? is any size"
        )
    instance = given if given is not None else None if known is None else known[1:]
    if instance is None or (None in instance and not is_recorded):
        raise SettingsError(
            f"the model's input {name!r} takes {_shown(instance)} for an instance, where ? is any size, so it is not"
            f" known what to send; set {_KEY}.shapes.{name}, such as [128], or shapebench:payload.path to recorded"
            " requests"
        )
    return tuple(instance)


def _output(named: DeclaredTensor) -> TensorSpec:
    return TensorSpec(name=named.name, dtype=_dtype(named, "output"), shape=named.shape or ())


def _dtype(named: DeclaredTensor, kind: str) -> str:
    if named.dtype not in DATA_TYPES:
        raise SettingsError(
            f"the model's {kind} {named.name!r} has type {named.dtype}, but a load test sends and checks only"
            f" {', '.join(DATA_TYPES)} so far; save the model with a signature of these"
        )
    return named.dtype


def _require_carried(signature: DeclaredSignature, protocol: ProtocolFacts) -> None:
    if refused := ", ".join(f"{each.name} ({each.dtype})" for each in signature.not_carried(protocol)):
        raise SettingsError(
            f"{protocol.title} can carry no values of {refused}; set shapebench:serving.protocol to {protocol.instead}"
        )


def _require_values(named: DeclaredTensor, settings: SignatureSettings) -> None:
    name, dtype = named.name, named.dtype
    if dtype == STRING and name in (settings.ranges or {}):
        raise SettingsError(
            f"{_KEY}.ranges.{name} is a range of numbers, but the model takes text there; give {_KEY}.values.{name} a"
            " list of texts"
        )
    types = {STRING: (str, int, float)}.get(dtype, (int, float) if dtype in FLOATS else (int,))
    if wrong := [value for value in (settings.values or {}).get(name, ()) if type(value) not in types]:
        raise SettingsError(
            f"{_KEY}.values.{name} has {wrong[0]!r}, but the model takes {dtype} there; give such values"
        )
    for key in ("ranges", "values") if dtype in CODES else ():
        numbers = (getattr(settings, key) or {}).get(name, ())
        try:
            packed(dtype, numbers if dtype in FLOATS else map(round, numbers))
        except OverflowError:
            raise SettingsError(
                f"{_KEY}.{key}.{name} has a number that {dtype}, which the model takes, does not hold; give others"
            ) from None


def _require_same_instances(inputs: Sequence[DeclaredTensor]) -> None:
    if len({sizes[0] for each in inputs if (sizes := each.shape)} - {None}) > 1:
        shapes = ", ".join(f"{each.name} {_shown(each.shape)}" for each in inputs)
        raise SettingsError(
            f"the model's inputs have different first dimensions ({shapes}), so they have no instances in common, which"
            " TensorFlow Serving's REST API needs; save the model with a signature that takes instances"
        )


def _require_known(key: str, settings: SignatureSettings, inputs: Sequence[DeclaredTensor]) -> None:
    names = [each.name for each in inputs]
    if unknown := sorted((getattr(settings, key) or {}).keys() - set(names)):
        raise SettingsError(
            f"{_KEY}.{key} has {unknown[0]!r}, but the model has no such input; its inputs are {', '.join(names)}"
        )


def _shown(shape: Any) -> str:  # noqa: ANN401 - sizes, or None for any shape
    return "any shape" if shape is None else f"[{', '.join('?' if size is None else str(size) for size in shape)}]"
