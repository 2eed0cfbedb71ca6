"""The base of every settings model: strict, frozen, camelCase in stack files and snake_case in Python."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Frozen(BaseModel):
    """A value that was parsed once: unknown keys are errors, nothing is coerced, nothing changes afterwards."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
    )


def is_none(value: object) -> bool:
    """For `Field(exclude_if=is_none)`: a field that is not written where it is None, as before there was one."""
    return value is None
