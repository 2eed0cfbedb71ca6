"""The axes of a sweep (settings with the values to try), and the candidates: all combinations of the values."""

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, Field, ValidationError
from pydantic.alias_generators import to_camel

from analysis.objective import Asked, asked
from stacks.explain import SettingsError, explain
from stacks.files import load_settings, settings_in
from stacks.frozen import Frozen
from stacks.load.load_profiles import PROFILES, CapacitySearch
from stacks.load.objective import QUANTILES, SEARCH_KEYS
from stacks.machines.machine_series import machine_resources
from stacks.server.protocols import PROTOCOLS, ProtocolName
from stacks.server.serving_variant import Batching, ServingSettings, Threads
from stacks.settings import Settings, parse_settings
from sweep.candidates import Candidate
from sweep.labels import labelled
from sweep.machines import Config, machine_types

_LIMITS = (*QUANTILES, "errors")
_OBJECTIVE = {"quantile": "quantile", "latency_ms": "latency_ms", "errors": "error_ratio"}
_MOST_CANDIDATES = 2000

Named = Callable[[str], str]
"""How the user wrote a key, such as `--inter-op` or `sweep.yaml: interOp`."""


def _listed(value: object) -> object:
    """One value is a list of one."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _objective(value: object) -> object:
    """What a mapping such as `{p99: 400ms}` states; raises ObjectiveError, a ValueError."""
    if not isinstance(value, Mapping):
        return value
    if unknown := [str(key) for key in value if key not in _LIMITS]:
        raise ValueError(
            f"an objective has no limit {' or '.join(unknown)}, so nothing would follow from it; give one of"
            f" {', '.join(_LIMITS)}"
        )
    return asked({key: str(text) for key, text in value.items()})


def _batching(value: object) -> object:
    """A number is the size of the largest batch; `off` is no batching, and YAML reads it as false."""
    if value == "off" or value is False:
        return None
    if isinstance(value, int):
        return {"maxBatchSize": value}
    if not isinstance(value, Mapping):
        raise ValueError(  # noqa: TRY004 - pydantic explains no TypeError
            f"{value!r} is no batching, so nothing would follow from it; give off, the largest batch, or in a sweep"
            " file a mapping with maxBatchSize"
        )
    return value


class BatchingAxis(Frozen):
    """Batching where the numbers of threads follow the vCPUs of a node unless they are given."""

    max_batch_size: Annotated[int, Field(ge=1, le=4096, description="Give off, or the largest batch, 1 to 4096.")]
    batch_timeout_micros: Annotated[int, Field(ge=0, description="Give 0, then try 1000 to 10000.")] = 0
    max_enqueued_batches: Annotated[int | None, Field(ge=1, description="Leave it out for the vCPUs of a node.")] = None
    num_batch_threads: Annotated[int | None, Field(ge=1, description="Leave it out for the vCPUs of a node.")] = None

    def on(self, vcpus: int) -> Batching:
        """On nodes of so many vCPUs."""
        threads = {"max_enqueued_batches": vcpus, "num_batch_threads": vcpus}
        return Batching.model_validate(threads | self.model_dump(exclude_none=True))


_Value = TypeVar("_Value")
_Axis = Annotated[tuple[_Value, ...], BeforeValidator(_listed), Field(min_length=1)]


class Axes(Frozen):
    """Values of each setting. Without any, a setting is that of the stack's file."""

    stacks: Annotated[_Axis[str], Field(description="The stacks to compare, such as 2cpu-4gb and 8cpu-16gb.")] = ()
    machines: Annotated[
        tuple[str, ...] | None,
        BeforeValidator(machine_types),
        Field(min_length=1, description="Machine types to compare, such as n4-highcpu-{2,4,8}; each gets a stack."),
    ] = None
    total_vcpus: Annotated[
        int | None, Field(ge=1, description="The vCPUs of all nodes of each machine type together, such as 16.")
    ] = None
    inter_op: Annotated[
        _Axis[Threads] | None,
        Field(description="Operations that run at once. Give 1 to 256, such as 2, 4 and 8."),
    ] = None
    intra_op: Annotated[
        _Axis[
            Annotated[
                Threads | Literal["cores"] | None, BeforeValidator(lambda value: None if value == "shape" else value)
            ]
        ]
        | None,
        Field(description="Threads inside one operation. Give 1 to 256, shape for the vCPUs of a node, or cores."),
    ] = None
    batching: Annotated[
        _Axis[Annotated[BatchingAxis | None, BeforeValidator(_batching)]] | None,
        Field(description="Give off, the largest batch, or a mapping with maxBatchSize."),
    ] = None
    protocol: Annotated[
        _Axis[ProtocolName] | None, Field(description=f"Give one or more of {', '.join(PROTOCOLS)}.")
    ] = None
    server: Annotated[
        _Axis[str] | None,
        Field(description="On the stack local a server by name, such as embedded; else an image with a version."),
    ] = None
    objectives: Annotated[
        _Axis[Annotated[Asked, BeforeValidator(_objective)]] | None,
        Field(description="Mappings such as {p99: 400ms, errors: 0.1%}; each is decided for itself."),
    ] = None
    load: Annotated[
        Mapping[str, Any] | None,
        Field(description="Settings of the capacity search, such as durationS; the objective has a key of its own."),
    ] = None


def candidates(axes: Axes, made: Mapping[str, Config], named: Named) -> tuple[Candidate, ...]:
    """All combinations, each once, on the stacks of the axes or, where there are some, on those that the sweep made.

    Raises SettingsError where stacks cannot be compared, or a file refuses a value.
    """
    settings = {stack: settings_in(config) for stack, config in made.items()} or {
        stack: load_settings(stack) for stack in axes.stacks
    }
    _require_one_platform(settings, named)
    found: dict[str, Candidate] = {}
    for load, stack, changes in product(_loads(axes, settings, named), settings, _changes(axes)):
        one = _candidate(stack, settings[stack], load, changes, named)
        found.setdefault(one.key, one)
        if len(found) > _MOST_CANDIDATES:
            raise SettingsError(
                f"the values make more than {_MOST_CANDIDATES} combinations, and a sweep measures no more than that;"
                " give fewer values"
            )
    vcpus = {stack: machine_resources(one.shape.machine_type)[0] for stack, one in settings.items()}
    return labelled(tuple(found.values()), vcpus)


def _require_one_platform(settings: Mapping[str, Settings], named: Named) -> None:
    first, *others = settings.items()
    for stack, one in others:
        if one.platform != first[1].platform:
            raise SettingsError(
                f"the stack {first[0]} is on the platform {first[1].platform} and {stack} on {one.platform}, so their"
                f" costs could not be compared; leave one of them out of {named('stacks')}"
            )


def _changes(axes: Axes) -> Iterator[dict[str, Any]]:
    """What each combination changes in a stack's file: fields of ServingSettings, and `server`."""
    names = ("inter_op", "intra_op", "batching", "protocol", "server")
    given = {name: values for name in names if (values := getattr(axes, name)) is not None}
    for values in product(*given.values()):
        yield dict(zip(given, values, strict=True))


def _candidate(
    stack: str, settings: Settings, load: CapacitySearch, changes: Mapping[str, Any], named: Named
) -> Candidate:
    """The same settings give the same candidate, whether they are stated or those of the stack's file."""
    shape = settings.node_shape(stack)
    serving = {name: value for name, value in changes.items() if name != "server"}
    if isinstance(batching := serving.get("batching"), BatchingAxis):
        serving["batching"] = batching.on(shape.vcpus)
    serving = settings.serving.model_dump() | serving
    if serving["intra_op"] == "cores":
        serving["intra_op"] = shape.cores
    if serving["intra_op"] == shape.vcpus:
        serving["intra_op"] = None
    if settings.server and "inter_op" in changes and not settings.server.uses("{interOp}"):
        raise SettingsError(
            f"{named('interOp')} is given, but shapebench:server.args of the stack {stack} does not use it, so it would"
            f" change nothing; put {{interOp}} into the arguments, or leave {named('interOp')} out"
        )
    section, key = settings.server_setting
    server = changes.get("server")
    if server == getattr(getattr(settings, section), key):
        server = None
    found = Candidate(label="", stack=stack, serving=ServingSettings.model_validate(serving), server=server, load=load)
    values = settings.model_dump(by_alias=True, exclude_none=True)
    values |= {"serving": found.serving.model_dump(by_alias=True, exclude_none=True)}
    values |= {"load": load.model_dump(by_alias=True), "load.processes": 1, "load.pods": 1}
    if server is not None:
        values[section] |= {to_camel(key): server}
    try:
        parse_settings(values)
    except SettingsError as error:
        stated = " and ".join(named(to_camel(name)) for name in changes) or f"the file of the stack {stack}"
        raise SettingsError(
            f"a combination cannot be measured on the stack {stack}, so the sweep was not begun:"
            f" {str(error).rstrip('.')}. Change {stated}, or leave {stack} out of {named('stacks')}"
        ) from None
    return found


def _loads(axes: Axes, settings: Mapping[str, Settings], named: Named) -> tuple[CapacitySearch, ...]:
    """A capacity search for each objective: that of the stack files, else of the profile `capacity`, with changes."""
    changes = dict(axes.load or {})
    if stated := [key for key in SEARCH_KEYS if key in changes]:
        raise SettingsError(
            f"{named('load')} has {', '.join(stated)}, which the objective decides, so the two could contradict each"
            f" other; leave this out, and give {named('objectives')}"
        )
    # Where no file states a search, all have that of the profile.
    stated_by = {stack: one.load for stack, one in settings.items()} | {"": PROFILES["capacity"]}
    searches = {stack: load for stack, load in stated_by.items() if isinstance(load, CapacitySearch)}
    if len(searches) > 1:
        del searches[""]
    loads: dict[CapacitySearch, None] = {}
    for objective in axes.objectives or (Asked(),):
        limits = {to_camel(_OBJECTIVE[key]): value for key, value in objective.model_dump(exclude_none=True).items()}
        found = {
            stack: _search(search.model_dump(by_alias=True) | changes | limits, named)
            for stack, search in searches.items()
        }
        _require_one(found, named)
        loads |= dict.fromkeys(found.values())
    return tuple(loads)


def _search(values: Mapping[str, Any], named: Named) -> CapacitySearch:
    try:
        return CapacitySearch.model_validate(values)
    except ValidationError as error:
        raise SettingsError(explain(error, CapacitySearch, lambda key: f"{named('load')}.{key}".rstrip("."))) from None


def _require_one(found: Mapping[str, CapacitySearch], named: Named) -> None:
    first, *others = found.items()
    for stack, search in others:
        values = first[1].model_dump(by_alias=True)
        if different := [key for key, value in search.model_dump(by_alias=True).items() if values[key] != value]:
            of_load = [f"shapebench:load.{key}" for key in different if key not in SEARCH_KEYS]
            of_objective = ["shapebench:objective"] if len(of_load) < len(different) else []
            instead = [f"a latency limit and errors in each objective ({named('objectives')})"] if of_objective else []
            instead += [f"these settings of the load ({named('load')})"] if of_load else []
            raise SettingsError(
                f"the files of the stacks {first[0]} and {stack} differ in {', '.join(of_objective + of_load)}, so"
                f" their capacities could not be compared; make them equal, or give {' and '.join(instead)}"
            )
