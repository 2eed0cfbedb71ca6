"""The base of the resources that this project's own plugin makes: typed args in, annotated outputs out."""

from dataclasses import fields
from inspect import get_annotations
from typing import TYPE_CHECKING

import pulumi
from pydantic.alias_generators import to_camel

from stacks.serving_variant import ServingVariant

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class PluginResource(pulumi.CustomResource):
    """A resource of the plugin in `provider/`. A subclass's annotations are its outputs.

    The engine sees the properties' own names in camelCase; what is inside a property keeps the names it has. Each
    field of a serving variant is a property.
    """

    def __init__(
        self, token: str, name: str, args: "DataclassInstance", opts: pulumi.ResourceOptions | None = None
    ) -> None:
        inputs: dict[str, object] = {}
        for field in fields(args):
            value = getattr(args, field.name)
            inputs |= value.model_dump() if isinstance(value, ServingVariant) else {field.name: value}
        properties = dict.fromkeys(get_annotations(type(self))) | inputs
        self._camel = {snake: to_camel(snake) for snake in properties}
        self._snake = {camel: snake for snake, camel in self._camel.items()}
        super().__init__(token, name, properties, opts)

    def translate_input_property(self, prop: str) -> str:
        return self._camel.get(prop, prop)

    def translate_output_property(self, prop: str) -> str:
        return self._snake.get(prop, prop)
