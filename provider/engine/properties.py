"""Converts between the SDK's property values and plain Python values."""

from collections.abc import Mapping, Sequence
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime import rpc

from provider.resource import UNKNOWN, Props

# The SDK's Computed is neither read from the wire nor written to it (pulumi 3.272, property_value.py): a value that is
# computed later arrives as this text, at any depth, and leaves as it.
_UNKNOWN_ON_THE_WIRE = rpc.UNKNOWN


def to_plain(values: Mapping[str, PropertyValue]) -> Props:
    """Properties as plain values. Pulumi has one type of number; a whole number becomes an int."""
    return {name: _plain(value) for name, value in values.items()}


def from_plain(values: Props) -> dict[str, PropertyValue]:
    """Plain values as properties."""
    return {name: _wrapped(value) for name, value in values.items()}


def _plain(value: PropertyValue) -> Any:  # noqa: ANN401 - a property has no narrower type
    inner = value.value
    if inner == _UNKNOWN_ON_THE_WIRE:
        return UNKNOWN
    if isinstance(inner, Mapping):
        return to_plain(inner)
    if isinstance(inner, Sequence) and not isinstance(inner, str):
        return [_plain(item) for item in inner]
    if isinstance(inner, float) and inner.is_integer():
        return int(inner)
    return inner


def _wrapped(value: Any) -> PropertyValue:  # noqa: ANN401 - a property has no narrower type
    if value is UNKNOWN:
        return PropertyValue(_UNKNOWN_ON_THE_WIRE)
    if isinstance(value, Mapping):
        return PropertyValue(from_plain(dict(value)))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return PropertyValue([_wrapped(item) for item in value])
    if isinstance(value, int) and not isinstance(value, bool):
        return PropertyValue(float(value))
    return PropertyValue(value)
