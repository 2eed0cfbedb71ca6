"""The base class of the resources of this project's plugin: typed arguments in, annotated outputs out."""

from dataclasses import fields
from inspect import get_annotations
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import pulumi
from pydantic.alias_generators import to_camel

from stacks.server.serving_variant import ServingVariant

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


_Args = TypeVar("_Args", bound="DataclassInstance")


class PluginResource(pulumi.CustomResource, Generic[_Args]):
    """A resource of the plugin in `provider/`. A subclass names its type; its annotations are its outputs.

    To the engine, the names of properties are camelCase; names inside a property stay as they are. Each field of a
    serving variant is a property of its own.
    """

    pulumi_type: ClassVar[str]

    def __init__(self, name: str, args: _Args, opts: pulumi.ResourceOptions | None = None) -> None:
        inputs: dict[str, object] = {}
        for field in fields(args):
            value = getattr(args, field.name)
            inputs |= value.model_dump() if isinstance(value, ServingVariant) else {field.name: value}
        properties = dict.fromkeys(get_annotations(type(self))) | inputs
        self._camel = {snake: to_camel(snake) for snake in properties}
        self._snake = {camel: snake for snake, camel in self._camel.items()}
        super().__init__(self.pulumi_type, name, properties, opts)

    def translate_input_property(self, prop: str) -> str:
        return self._camel.get(prop, prop)

    def translate_output_property(self, prop: str) -> str:
        return self._snake.get(prop, prop)
