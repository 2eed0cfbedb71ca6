"""Names, ports and labels of what a stack creates, for the code that sets them and the code that looks them up."""

import hashlib
import re
from collections.abc import Mapping

# In the namespace of a stack's server.
NAME = "tf-serving"
REST_SERVICE = f"{NAME}-rest"
GRPC_SERVICE = f"{NAME}-grpc"
SERVICE_ACCOUNT = NAME

REST_PORT = 8501
GRPC_PORT = 8500
SIDECAR_PORT = 8502
# The port of the first generator pod, where the workers of the others connect: Locust's own default.
MASTER_PORT = 5557

# Selectors: a Deployment's selector cannot change once it is created, so these labels hold nothing that varies.
SERVER_LABELS = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/component": "model-server"}
GENERATOR_LABELS = {"app.kubernetes.io/component": "load-generator"}

# Labels of the resources of a stack in Google Cloud and Kubernetes, by which the janitor finds them.
STACK, COMMIT, EXPIRES = "shapebench-stack", "shapebench-commit", "shapebench-expires"

_MAX_LABEL_LENGTH = 63
_EXPIRY = re.compile(r"(\d{4}-\d\d-\d\d)t(\d\d)-(\d\d)-(\d\d)z")

_MAX_ACCOUNT_LENGTH = 30
_HASH_DIGITS = 6


def stack_labels(stack: str, commit: str, expires_at: str) -> dict[str, str]:
    """The labels of every resource of a stack. `expires_at` is RFC 3339 in UTC; `expiry` reads it back."""
    return {STACK: label_value(stack), COMMIT: label_value(commit), EXPIRES: label_value(expires_at)}


def label_value(text: str) -> str:
    """The text as a label value of Google Cloud and Kubernetes: lower case, digits, `-` and `_`, at most 63."""
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:_MAX_LABEL_LENGTH].strip("-_")


def expiry(labels: Mapping[str, str]) -> str | None:
    """When a resource with these labels expires, RFC 3339 in UTC; None where the labels do not say."""
    moment = _EXPIRY.fullmatch(labels.get(EXPIRES, ""))
    return moment and f"{moment[1]}T{moment[2]}:{moment[3]}:{moment[4]}Z"


def as_description(labels: Mapping[str, str]) -> str:
    """The labels as a description, for resources without labels: networks, routers and service accounts."""
    return " ".join(f"{key}={value}" for key, value in sorted(labels.items()))


def from_description(description: str) -> dict[str, str]:
    """The labels in such a description; empty where it has none of this project."""
    pairs = (word.partition("=") for word in description.split())
    return {key: value for key, _, value in pairs if key in {STACK, COMMIT, EXPIRES}}


def account_names(stack: str) -> list[str]:
    """The IDs of all Google service accounts of a stack."""
    return [account_id(stack, "nodes")]


def account_id(stack: str, role: str) -> str:
    """The ID of the Google service account for a role, such as `nodes`.

    It has 6 to 30 lower-case letters, digits and dashes. Where the stack's name does not fit, it ends in a hash.
    """
    plain = f"shapebench-{stack}-{role}"
    safe = re.sub(r"[^a-z0-9-]", "-", plain.lower())
    if safe == plain and len(plain) <= _MAX_ACCOUNT_LENGTH:
        return plain
    digest = hashlib.sha256(plain.encode()).hexdigest()[:_HASH_DIGITS]
    return f"{safe[: _MAX_ACCOUNT_LENGTH - _HASH_DIGITS - 1].rstrip('-')}-{digest}"
