"""Turns what pydantic found wrong into sentences a user can act on: the key, what follows, and the mend."""

import difflib
import types
import typing
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

PREFIX = "shapebench:"


class SettingsError(ValueError):
    """A stack's configuration is wrong; the message names each key, the consequence and the mend."""


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """One line for each wrong key of `model`."""
    return "\n".join(_sentence(details, model) for details in error.errors())


def _sentence(details: ErrorDetails, model: type[BaseModel]) -> str:
    path = [str(part) for part in details["loc"]]
    key = PREFIX + ".".join(path)
    if details["type"] == "value_error":
        # Raised by a validator of ours, which says everything itself; those of a part do not know where it stands.
        said = str(details["ctx"]["error"])
        return said if said.startswith(PREFIX) or not path else f"{key}: {said}"
    if details["type"] == "extra_forbidden":
        return f"{key} is not a setting, so it would change nothing; {_near(path, model)}"
    advice = _description(path, model)
    if details["type"] == "missing":
        return f"{key} is missing. {advice}"
    return f"{key} is {details['input']!r}: {details['msg'][0].lower()}{details['msg'][1:]}. {advice}"


def _near(path: list[str], model: type[BaseModel]) -> str:
    known = [field.alias or name for name, field in _model_at(path[:-1], model).model_fields.items()]
    if close := difflib.get_close_matches(path[-1], known, n=1):
        return f"did you mean {close[0]}?"
    return f"there are {', '.join(known)}"


def _description(path: list[str], model: type[BaseModel]) -> str:
    for name, field in _model_at(path[:-1], model).model_fields.items():
        if path[-1] in {name, field.alias}:
            return field.description or ""
    return ""


def _model_at(path: list[str], model: type[BaseModel]) -> type[BaseModel]:
    for part in path:
        annotation = next(f.annotation for name, f in model.model_fields.items() if part in {name, f.alias})
        model = _model_in(annotation)
    return model


def _model_in(annotation: Any) -> type[BaseModel]:  # noqa: ANN401 - an annotation has no narrower type
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        annotation = next(arm for arm in typing.get_args(annotation) if arm is not type(None))
    return typing.cast("type[BaseModel]", annotation)
