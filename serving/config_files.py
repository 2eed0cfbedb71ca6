"""Reads TF Serving's two configuration files: batching parameters and monitoring.

They are protocol buffers in text format, but the published stubs lack these two messages. Their descriptors are built
here, with the fields that the embedded server supports; any other field is an error.
"""

import os
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import Message

from serving.errors import StartError
from stacks.server.serving_variant import Batching

_Field = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "shapebench.config"


def default_batching() -> Batching:
    """TF Serving's defaults of the batching parameters."""
    return Batching(
        max_batch_size=1000, batch_timeout_micros=0, max_enqueued_batches=10, num_batch_threads=os.cpu_count() or 1
    )


def read_batching_file(path: Path) -> Batching:
    """The batching parameters in `path`. Raises StartError if TF Serving could not read the file."""
    message = _parsed(path, "BatchingParameters")
    values = {field.name: value.value for field, value in message.ListFields()}
    try:
        return Batching.model_validate(default_batching().model_dump() | values)
    except ValueError as error:
        raise StartError(
            f"--batching_parameters_file={path} holds an invalid value, so the server does not start; give"
            f" batch_timeout_micros 0 or more, and each other parameter 1 or more: {error}"
        ) from error


def read_monitoring_file(path: Path) -> str | None:
    """The path of the Prometheus page, None if it is not enabled. Raises StartError."""
    message: Any = _parsed(path, "MonitoringConfig")
    if not message.prometheus_config.enable:
        return None
    page: str = message.prometheus_config.path or "/monitoring/prometheus/metrics"
    if not page.startswith("/"):
        raise StartError(
            f"--monitoring_config_file={path} has the path '{page}', which no request can have; begin it with '/'"
        )
    return page


def _parsed(path: Path, message: str) -> Message:
    try:
        return text_format.Parse(path.read_text(), _message_class(message)())
    except OSError as error:
        raise StartError(
            f"{path} cannot be read ({error.strerror}), so the server does not start; give a file that can be read"
        ) from error
    except (UnicodeDecodeError, text_format.ParseError) as error:
        raise StartError(
            f"{path} is not a {message} in text format, so the server does not start: {error}; see docs/serving.md"
        ) from error


def _message_class(name: str) -> type[Message]:
    messages: dict[str, dict[str, _Field.Type.ValueType | str]] = {
        "Int64Value": {"value": _Field.TYPE_INT64},
        "BatchingParameters": dict.fromkeys(Batching.model_fields, "Int64Value"),
        "PrometheusConfig": {"enable": _Field.TYPE_BOOL, "path": _Field.TYPE_STRING},
        "MonitoringConfig": {"prometheus_config": "PrometheusConfig"},
    }
    file = descriptor_pb2.FileDescriptorProto(name="shapebench_config.proto", package=_PACKAGE, syntax="proto3")
    for message_name, fields in messages.items():
        message = file.message_type.add(name=message_name)
        for number, (field, kind) in enumerate(fields.items(), start=1):
            added = message.field.add(name=field, number=number, label=_Field.LABEL_OPTIONAL)
            if isinstance(kind, str):
                added.type, added.type_name = _Field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                added.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))
