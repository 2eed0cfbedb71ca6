"""The labels by which everything of ours is found again: pure text, for those who write them and who read them."""

import re
from collections.abc import Mapping

STACK, COMMIT, EXPIRES = "shapebench-stack", "shapebench-commit", "shapebench-expires"

_MAX_LENGTH = 63
_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)t(\d\d)-(\d\d)-(\d\d)z")


def stack_labels(stack: str, commit: str, expires_at: str) -> dict[str, str]:
    """What every resource of a stack carries. `expires_at` is RFC 3339 in UTC; `expiry` gives it back."""
    return {STACK: label_value(stack), COMMIT: label_value(commit), EXPIRES: label_value(expires_at)}


def label_value(text: str) -> str:
    """The text as both Google Cloud and Kubernetes accept it: lower case, digits, `-` and `_`, 63 at most."""
    return re.sub(r"[^a-z0-9_-]", "-", text.lower())[:_MAX_LENGTH].strip("-_")


def expiry(labels: Mapping[str, str]) -> str | None:
    """When what carries these labels may be removed, RFC 3339 in UTC; None where they do not say."""
    moment = _MOMENT.fullmatch(labels.get(EXPIRES, ""))
    return moment and f"{moment[1]}T{moment[2]}:{moment[3]}:{moment[4]}Z"


def as_description(labels: Mapping[str, str]) -> str:
    """The labels as the description of what can carry none: networks, routers and service accounts."""
    return " ".join(f"{key}={value}" for key, value in sorted(labels.items()))


def from_description(description: str) -> dict[str, str]:
    """The labels in such a description; none where it is not of ours."""
    pairs = (word.partition("=") for word in description.split())
    return {key: value for key, _, value in pairs if key in {STACK, COMMIT, EXPIRES}}
