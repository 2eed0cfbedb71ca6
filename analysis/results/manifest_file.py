"""The text of a manifest file: JSON that ends with the sha256 of its own content."""

import json
from hashlib import sha256
from typing import Any

from pydantic import ValidationError

from analysis.results.manifest import Manifest

DIGEST = "sha256"


class ManifestFileError(ValueError):
    """A text is not that of a manifest; the message says why."""


def manifest_text(manifest: Manifest) -> str:
    """The content of the manifest's file."""
    content = json.loads(manifest.model_dump_json())
    return json.dumps(content | {DIGEST: _digest(content)}, indent=2, ensure_ascii=False) + "\n"


def manifest_of(text: bytes) -> tuple[Manifest, bool]:
    """The manifest in a file, and whether it is as it was written; raises ManifestFileError.

    A manifest that names no files is from before there was a digest, so it needs none.
    """
    try:
        content = json.loads(text)
        written = content.pop(DIGEST, None) if isinstance(content, dict) else None
        manifest = Manifest.model_validate_json(json.dumps(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ManifestFileError(f"{where + ': ' if where else ''}{first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise ManifestFileError(f"Invalid JSON: {error}") from error
    if written is None:
        return manifest, manifest.files is None
    return manifest, bool(written == _digest(content))


def _digest(content: dict[str, Any]) -> str:
    """Of the JSON in one line of ASCII without spaces, with sorted keys, so that the layout of the file is free."""
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
