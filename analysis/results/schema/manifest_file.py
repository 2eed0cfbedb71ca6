"""The text of a manifest file: JSON that ends with the sha256 of its own content."""

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, NoReturn

from pydantic import ValidationError

from analysis.results.schema.manifest import Manifest
from analysis.results.schema.plain_text import is_plain, plain

DIGEST = "sha256"


class ManifestFileError(ValueError):
    """A text is not that of a manifest; the message says why."""


def manifest_text(manifest: Manifest) -> str:
    """The content of the manifest's file, in plain text: a reason of an invalid run may quote a log with colours."""
    content = _made_plain(json.loads(manifest.model_dump_json()))
    return json.dumps(content | {DIGEST: _digest(content)}, indent=2, ensure_ascii=False) + "\n"


def manifest_of(text: bytes) -> tuple[Manifest, bool]:
    """The manifest in a file, and whether it is as it was written; raises ManifestFileError.

    A manifest from before there were digests needs none.
    """
    content, not_plain = _parsed(text)
    if not isinstance(content, dict):
        raise ManifestFileError("it is not a JSON object")
    if not_plain:
        raise ManifestFileError(f"{not_plain}: the text has control characters, or more than one line")
    written = content.pop(DIGEST, None)
    try:
        manifest = Manifest.model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ManifestFileError(f"{where + ': ' if where else ''}{first['msg']}") from error
    if written is None:
        return manifest, not manifest.has_digests
    return manifest, bool(written == _digest(content))


def _parsed(text: bytes) -> tuple[Any, str | None]:
    """The JSON, and the key of its first text that is not plain."""
    try:
        content = json.loads(text, parse_constant=_refuse)
        return content, next((where for where, each in _texts(content) if not is_plain(each)), None)
    except (ValueError, RecursionError) as error:
        raise ManifestFileError(f"Invalid JSON: {error}") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


def _texts(content: object, where: str = "its text") -> Iterator[tuple[str, str]]:
    """All keys and texts, each with the key that it is below."""
    if isinstance(content, str):
        yield where, content
    elif isinstance(content, dict):
        for key, value in content.items():
            yield where, key
            yield from _texts(value, key if where == "its text" else f"{where}.{key}")
    elif isinstance(content, list):
        for value in content:
            yield from _texts(value, where)


def _made_plain(content: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(content, str):
        return plain(content)
    if isinstance(content, dict):
        return {plain(key): _made_plain(value) for key, value in content.items()}
    return [_made_plain(each) for each in content] if isinstance(content, list) else content


def _digest(content: dict[str, Any]) -> str:
    """Of the JSON in one line of ASCII without spaces, with sorted keys, so that the layout of the file is free."""
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
