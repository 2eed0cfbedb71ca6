"""The package's schema: what `pulumi package add` generates a typed SDK of, in the language of any program.

It has the kinds that another program can use. The format: github.com/pulumi/pulumi, pkg/codegen/schema/pulumi.json.
"""

import types
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from provider.resources.service_load_test import ServiceLoadTest
from stacks.service import ServiceSettings, as_input, service_defaults
from stacks.version import VERSION

Schema = dict[str, Any]

_ANY: Schema = {"$ref": "pulumi.json#/Any"}
_ANY_OBJECT: Schema = {"type": "object", "additionalProperties": _ANY}
_SCALARS: dict[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string", Literal: "string"}
_OUTPUTS: Schema = {
    "runId": {"type": "string", "description": "The id of the run in the results store; of several, the median one."},
    "headline": {
        "type": "object",
        "additionalProperties": {"type": "number"},
        "description": "Its figures, such as goodput_rps, p99_ms and usd_per_million_good; unknown ones are left out.",
    },
    "summary": {"type": "string", "description": "Whether the objective was met, and the figures, in one line."},
    "runIds": {"type": "array", "items": {"type": "string"}, "description": "All runs of the update, in their order."},
}
_DESCRIPTION = (
    "A load test of a service that runs already: it is run when the resource is created, and again when an input"
    " changes. What it measured is in the results store, which `shapebench show`, `verdict` and `report` read; deleting"
    " the resource keeps it."
)
# Its modes have settings of their own, and a profile needs none of them.
_OF_ANY_FORM = ("load",)


def package_schema() -> Schema:
    """The schema of the package, as a JSON document."""
    found: Schema = {}
    defaults = service_defaults()
    inputs = _properties(ServiceSettings, defaults, found)
    required = _required(ServiceSettings, defaults)
    return {
        "name": "shapebench",
        "displayName": "shapebench",
        "version": VERSION,
        "description": "Which node shape should serve a model: load tests with money and statistics.",
        "license": "Apache-2.0",
        "language": {"python": {"pyproject": {"enabled": True}, "respectSchemaVersion": True}},
        "resources": {
            ServiceLoadTest.token: {
                "description": _DESCRIPTION,
                "inputProperties": inputs,
                "requiredInputs": required,
                "properties": inputs | _OUTPUTS,
                "required": [*required, *_OUTPUTS],
            }
        },
        "types": found,
    }


def _properties(model: type[BaseModel], defaults: Mapping[str, Any], found: Schema) -> Schema:
    """The properties of a settings model, by name; the types that they are made of go into `found`."""
    return {
        key: (_ANY_OBJECT if key in _OF_ANY_FORM else _type(field.annotation, defaults.get(key, {}), found))
        | {"description": as_input(field.description or "")}
        for key, field in _fields(model).items()
    }


def _required(model: type[BaseModel], defaults: Mapping[str, Any]) -> list[str]:
    return sorted(key for key, field in _fields(model).items() if field.is_required() and key not in defaults)


def _fields(model: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """Without those whose keys are inside another: `load.repeats` is a key of `load`."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    return {key: field for key, field in fields.items() if "." not in key}


def _type(annotation: Any, defaults: Any, found: Schema) -> Schema:  # noqa: ANN401 - an annotation has no narrower type
    """The type of a property, whose own properties may have these defaults."""
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    match get_origin(annotation) or annotation:
        case origin if origin in {Union, types.UnionType} and len(arguments) > 1:
            return _ANY
        case origin if origin in {Annotated, Union, types.UnionType}:
            return _type(arguments[0], defaults, found)
        case origin if origin in {list, tuple}:
            return {"type": "array", "items": _type(arguments[0], defaults, found)}
        case origin if origin is dict:
            return {"type": "object", "additionalProperties": _type(arguments[1], defaults, found)}
        case origin if origin in _SCALARS:
            return {"type": _SCALARS[origin]}
    return _object(annotation, defaults, found)


def _object(model: type[BaseModel], defaults: Mapping[str, Any], found: Schema) -> Schema:
    token = f"shapebench:index:{model.__name__.removesuffix('Settings')}"
    found[token] = {
        "type": "object",
        "description": as_input((model.__doc__ or "").partition("\n")[0]),
        "properties": _properties(model, defaults, found),
        "required": _required(model, defaults),
    }
    return {"$ref": f"#/types/{token}"}
