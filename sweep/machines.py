"""Machines as an axis of a sweep: a stack of each machine type, with as many nodes as have the total of vCPUs."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from analysis.pricing.cost import why_unpriced
from analysis.pricing.stack_cost import kept_cost
from loadtest.run.saved_model import served_files
from stacks.allocatable import stack_pod_resources
from stacks.explain import PREFIX, SettingsError
from stacks.files import google_keys, load_config, settings_in, stack_file
from stacks.machines.machine_series import UnknownMachineTypeError, machine_resources, machine_series, runnable
from stacks.machines.shapes import MOST_NODES, shape_name
from stacks.new_stack import DEFAULT_ZONE, new_config, zone_config
from stacks.server.models import RESNET50, Model
from stacks.settings import Settings
from tools.new_file import write_new_file
from tools.pins import ROOT

Config = Mapping[str, Any]
"""The configuration of a stack, by full key."""

_SHAPE = f"{PREFIX}shape"
_INNERMOST_BRACES = re.compile(r"\{([^{}]*)\}")
_HEAD = "# Written by `shapebench sweep` for the machines that it was given. It is a stack file like any other.\n"


def machine_types(value: object) -> object:
    """Each machine type once, of texts with the commas and braces of a shell, which may not have expanded them."""
    texts = value if isinstance(value, list | tuple) else (value,)
    if not all(isinstance(text, str) for text in texts):
        return texts  # which the field refuses
    return tuple(
        dict.fromkeys(
            machine_type for text in texts for part in _between_commas(text) for machine_type in _expanded(part)
        )
    )


def _between_commas(text: str) -> list[str]:
    """The parts of a text between the commas that are in no braces; raises ValueError."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    if depth:
        raise ValueError(
            f"{text!r} has a brace without its other one, so it names no machine types; write it as n4-highcpu-{{2,4}}"
        )
    return parts


def _expanded(text: str) -> Iterator[str]:
    """All texts that the braces stand for, the innermost first: the same ones in any order."""
    if braces := _INNERMOST_BRACES.search(text):
        for alternative in braces[1].split(","):
            yield from _expanded(text[: braces.start()] + alternative.strip() + text[braces.end() :])
    else:
        yield text.strip()


def made_stacks(
    machines: Sequence[str], total_vcpus: int, like: str | None, named: Callable[[str], str]
) -> dict[str, Config]:
    """The configuration of the stack of each machine type by its name, such as 4xn4-highcpu-4.

    It has the settings of the stack `like`, but for the shape; without one those of `shapebench init`. Where there is a
    file of that name with these settings, it is the file's. Raises SettingsError, with a line for each machine type
    that cannot be measured.
    """
    own = _to_copy(like, named) if like else None
    model = served_files(settings_in(own).model, ROOT) if own else RESNET50
    made: dict[str, Config] = {}
    wrong: list[str] = []
    for machine_type in machines:
        try:
            nodes = _nodes(machine_type, total_vcpus, named)
            made[shape_name(nodes, machine_type)] = _config(machine_type, nodes, own, model)
        except UnknownMachineTypeError as error:
            wrong.append(f"{named('machines')}: {error}")
        except SettingsError as error:
            wrong += (f"{named('machines')}: {machine_type}: {line}" for line in str(error).splitlines())
    if wrong:
        raise SettingsError("\n".join(wrong))
    return made


def write_made(made: Mapping[str, Config]) -> list[str]:
    """Write the stack files that are not there, and return their names; raises OSError."""
    missing = {stack_file(stack): config for stack, config in made.items() if not stack_file(stack).exists()}
    for path, config in missing.items():
        text = yaml.safe_dump({"config": dict(config)}, sort_keys=False, allow_unicode=True)
        write_new_file(path, _HEAD + text)
    return [path.name for path in missing]


def _to_copy(stack: str, named: Callable[[str], str]) -> Config:
    """The configuration of a stack whose settings others get; raises SettingsError where they cannot have them."""
    config = load_config(stack)
    if (platform := settings_in(config).platform) != "gke":
        raise SettingsError(
            f"the stack {stack} is on the platform {platform}, which creates no machines, so no stack of"
            f" {named('machines')} can be like it; give a stack on gke in {named('stacks')}, or none"
        )
    if secrets := [key for key, value in config.items() if _has_secret(value)]:
        raise SettingsError(
            f"{', '.join(secrets)} of the stack {stack} is a secret that only this stack can decrypt, so no stack of"
            f" {named('machines')} can have it; remove it from the file, and set it as an environment variable"
            " (GOOGLE_APPLICATION_CREDENTIALS)"
        )
    return config


def _has_secret(value: object) -> bool:
    """Whether a value of a stack's file is encrypted, or one within it."""
    if isinstance(value, Mapping):
        return "secure" in value or any(map(_has_secret, value.values()))
    return isinstance(value, Iterable) and not isinstance(value, str) and any(map(_has_secret, value))


def _nodes(machine_type: str, total_vcpus: int, named: Callable[[str], str]) -> int:
    """How many nodes have the vCPUs together; raises SettingsError and UnknownMachineTypeError where none do."""
    vcpus, _ = machine_resources(runnable(machine_type))
    nodes, rest = divmod(total_vcpus, vcpus)
    if rest:
        possible = [str(vcpus * node_count) for node_count in (nodes, nodes + 1) if node_count]
        raise SettingsError(
            f"a node has {vcpus} vCPUs, so no number of nodes has {total_vcpus}; give {named('totalVcpus')}"
            f" {' or '.join(possible)}, or leave this machine type out"
        )
    if nodes > MOST_NODES:
        raise SettingsError(
            f"{total_vcpus} vCPUs are {nodes} nodes of it, and a stack has at most {MOST_NODES}; give"
            f" {named('totalVcpus')} {MOST_NODES * vcpus} or less, or leave this machine type out"
        )
    return nodes


def _config(machine_type: str, nodes: int, own: Config | None, model: Model) -> Config:
    """The configuration of one stack; raises SettingsError where a preview would refuse it, or it has no price."""
    name = shape_name(nodes, machine_type)
    made = new_config("gke", machine_type, nodes) | zone_config(DEFAULT_ZONE)
    if own is not None:
        made = dict(own) | {_SHAPE: made[_SHAPE]}
    settings = settings_in(made)
    stack_pod_resources(name, settings, model)
    cost = kept_cost(settings.platform, settings.node_shape(name), settings.region, model.uploaded_bytes)
    if cost.hourly is None:
        raise SettingsError(
            f"{why_unpriced(cost)}, so its cost could not be compared, and {machine_series(machine_type).title} may not"
            " be offered there; leave this machine type out, or fetch today's prices with `shapebench price --refresh`"
        )
    return _in_file(name, made, settings) if stack_file(name).exists() else made


def _in_file(name: str, made: Config, settings: Settings) -> Config:
    """What the stack's file has, which may name more, such as a project; raises SettingsError where it differs."""
    found = load_config(name)
    here, there = settings.model_dump(by_alias=True), settings_in(found).model_dump(by_alias=True)
    of_google = google_keys(found)
    different = [f"{PREFIX}{key}" for key in here if here[key] != there[key]]
    different += [key for key, value in google_keys(made).items() if of_google.get(key) != value]
    if different:
        raise SettingsError(
            f"stacks/{stack_file(name).name} is there already with another {', '.join(different)}, and no stack file is"
            f" overwritten; delete or rename it, or measure that stack as it is: --stack {name}"
        )
    return found
