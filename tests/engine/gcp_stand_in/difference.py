"""What the provider finds different between what it has read and what the program declares."""

from collections.abc import Collection, Iterator
from typing import Any

from tests.engine.gcp_stand_in.answers import Answer, LeftOut, Properties, as_read

# From the provider's configuration, where they are not declared.
_CONFIGURED = {"id", "location", "project", "region"}


def different_paths(
    answers: tuple[Answer, ...], state: Properties, inputs: Properties, ignored: Collection[str]
) -> list[str]:
    """The paths of the fields that differ, without those that the program ignores, and without what is below them.

    A field that the program leaves out differs, unless it is false, empty or zero, or the provider's schema says
    otherwise: see LeftOut.
    """
    undeclared = {answer.path for answer in answers if answer.left_out is not LeftOut.DIFFERS} | _CONFIGURED
    return sorted(
        path
        for path in _differences("", state, as_read(answers, inputs), undeclared)
        if not any(path == ignored_path or path.startswith(f"{ignored_path}.") for ignored_path in ignored)
    )


def _differences(prefix: str, state: Properties, inputs: Properties, undeclared: set[str]) -> Iterator[str]:
    for name in state.keys() | inputs.keys():
        path, known, declared = f"{prefix}{name}", state.get(name), inputs.get(name)
        if isinstance(known, dict) and isinstance(declared, dict):
            yield from _differences(f"{path}.", known, declared, undeclared)
        elif name not in inputs and path in undeclared:
            continue
        elif not is_same(known, declared):
            yield path


def at(properties: Any, path: str) -> Any:
    for part in path.split("."):
        properties = properties.get(part) if isinstance(properties, dict) else None
    return properties


def is_same(known: Any, declared: Any) -> bool:
    if isinstance(known, list) and isinstance(declared, list):
        return len(known) == len(declared) and all(map(is_same, known, declared))
    if isinstance(known, dict) and isinstance(declared, dict):
        return all(is_same(known.get(key), declared.get(key)) for key in known.keys() | declared.keys())
    return known == declared or (not known and not declared)


def refreshed(old_inputs: Properties, state: Properties) -> Properties:
    """The old inputs with the values that were read: nothing is added to what the program declared."""
    return {name: _refreshed(value, state[name]) for name, value in old_inputs.items() if name in state}


def _refreshed(old: Any, known: Any) -> Any:
    if isinstance(old, dict) and isinstance(known, dict):
        return refreshed(old, known)
    if isinstance(old, list) and isinstance(known, list):
        return [*map(_refreshed, old, known)]
    return known
