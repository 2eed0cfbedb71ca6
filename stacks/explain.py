"""Turns pydantic's errors into sentences that name the key, the consequence and the fix; others into one line."""

import difflib
import types
import typing
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from stacks.numbers import how_to_write

PREFIX = "shapebench:"

_REMOVED = {
    f"{PREFIX}gke.authorizedNetworks": "the control plane has only a DNS-based endpoint, which IAM protects",
    f"{PREFIX}gke.loadNodes": "each pod of the load generator has a node, so load.pods says how many there are; for"
    " more room beside the generator, set gke.loadMachineType",
}


class SettingsError(ValueError):
    """A stack's configuration is wrong. The message names each key, the consequence and the fix."""


def first_line(error: Exception) -> str:
    """What an error says, in one line; its type where it says nothing."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def explain(
    error: ValidationError, model: type[BaseModel], named: Callable[[str], str] = lambda key: PREFIX + key
) -> str:
    """One line for each wrong key of `model`; `named` is where the user wrote a key, by default in a stack file."""
    return "\n".join(_sentence(details, model, named) for details in error.errors())


def _sentence(details: ErrorDetails, model: type[BaseModel], named: Callable[[str], str]) -> str:
    path, owner = _resolve(details["loc"], model)
    key = named(".".join(path))
    if details["type"] == "value_error":
        # From one of our validators, whose message is complete. Validators of a section do not know the section's key.
        message = str(details["ctx"]["error"])
        return message if message.startswith(PREFIX) or not path else f"{key}: {message}"
    if details["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        return _wrong_tag(key, details)
    if why := _REMOVED.get(key):
        return f"{key} is no longer a setting: {why}; remove it: pulumi config rm --path {key}"
    if details["type"] == "extra_forbidden":
        return f"{key} is not a setting, so it would change nothing; {_near(path, owner)}"
    field = _fields(owner).get(path[-1]) if path else None
    advice = (field.description if field else None) or ""
    if details["type"] == "missing":
        return f"{key} is missing. {advice}"
    return f"{key} is {details['input']!r}, which is {_what_is_wrong(details)}. {advice}".rstrip()


_WRONG = {
    "int_type": "not a whole number{hint}",
    "int_from_float": "not a whole number",
    "float_type": "not a number{hint}",
    "bool_type": "neither true nor false",
    "string_type": "not text",
    "string_too_short": "empty",
    "string_pattern_mismatch": "not of the form that is expected",
    "literal_error": "none of {expected}",
    "finite_number": "not a finite number",
    "greater_than": "not above {gt}",
    "greater_than_equal": "below {ge}",
    "less_than": "not below {lt}",
    "less_than_equal": "above {le}",
    **dict.fromkeys(("model_type", "model_attributes_type", "dict_type", "dataclass_type"), "not a section with keys"),
    **dict.fromkeys(("list_type", "tuple_type"), "not a list"),
}
"""What is wrong with a value, by pydantic's type of error."""


def _what_is_wrong(details: ErrorDetails) -> str:
    wrong = _WRONG.get(details["type"])
    if wrong is None:
        return f"wrong ({details['msg'][0].lower()}{details['msg'][1:]})"
    limits = {
        name: int(limit) if isinstance(limit, float) and limit.is_integer() else limit
        for name, limit in details.get("ctx", {}).items()
    }
    return wrong.format(hint=_as_number(details["input"]), **limits)


def _as_number(value: object) -> str:
    return f"; {how_to_write(value)}" if isinstance(value, str) else ""


def _wrong_tag(key: str, details: ErrorDetails) -> str:
    """A field such as `mode`, which decides between alternatives, is missing or names none of them."""
    by = details["ctx"]["discriminator"].strip("'")
    expected = details["ctx"].get("expected_tags")
    if expected is None:
        return f"{key}.{by} is missing, so it is not known which settings apply; set {key}.profile or {key}.{by}"
    return f"{key}.{by} is {details['ctx']['tag']!r}, and there is no such {by}; give one of {expected}"


def _resolve(location: tuple[int | str, ...], model: type[BaseModel]) -> tuple[list[str], type[BaseModel]]:
    """The keys as in a stack file, and the model that has the last one.

    Pydantic's location also names the alternative of a union and the place in a list, which are no keys and left out.
    """
    keys: list[str] = []
    owner = inside = model
    parts = iter(part for part in location if isinstance(part, str))
    for part in parts:
        owner = inside
        keys.append(part)
        field = _fields(owner).get(part)
        if field is None:
            keys += parts
            break
        inside = _model_in(field.annotation, next(parts, None) if field.discriminator else None)
    return keys, owner


def _near(path: list[str], owner: type[BaseModel]) -> str:
    *section, key = path
    known = list(_fields(owner))
    if close := difflib.get_close_matches(key, known, n=1):
        return f"did you mean {close[0]}?"
    of = f" of {'.'.join(section)}" if section else ""
    return f"the settings{of} are {', '.join(known)}"


def _fields(owner: type) -> dict[str, FieldInfo]:
    """The fields of a model, by their names in a stack file; empty for a type that is no model."""
    fields = owner.model_fields if isinstance(owner, type) and issubclass(owner, BaseModel) else {}
    return {field.alias or name: field for name, field in fields.items()}


def _model_in(annotation: Any, tag: str | None) -> type[BaseModel]:  # noqa: ANN401 - an annotation has no narrower type
    """The model in a field: itself, in a tuple, or the alternative of a union that has this tag."""
    arms = typing.get_args(annotation)
    if typing.get_origin(annotation) in {tuple, typing.Annotated}:
        return _model_in(arms[0], tag)
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        arms = tuple(arm for arm in arms if arm is not type(None))
        return _model_in(next((arm for arm in arms if tag and tag in _tags(arm)), arms[0]), None)
    return typing.cast("type[BaseModel]", annotation)


def _tags(arm: type[BaseModel]) -> set[str]:
    return {str(field.default) for field in arm.model_fields.values() if field.default is not None}
