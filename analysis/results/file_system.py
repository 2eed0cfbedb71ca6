"""The file system of a results store, a folder or a bucket, and what its errors say in one line."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from pyarrow.fs import FileSystem, LocalFileSystem

# Arrow's own limit is 15 minutes (https://arrow.apache.org/docs/python/generated/pyarrow.fs.GcsFileSystem.html).
RETRY_S = 60

_SCHEMES_OF_GOOGLE = ("gs", "gcs")
_RETRY_LIMIT = "retry_limit_seconds"
# What Google's client writes around the message of the server, and around the reason why it has no token.
_LAST_MESSAGE = re.compile(r"last message of (.*?) error_info=", re.DOTALL)
_NO_TOKEN = re.compile(r"Could not create a OAuth2 access token .*underlying error message was: ", re.DOTALL)


def open_uri(uri: str, retry_s: int = RETRY_S) -> tuple[FileSystem, str]:
    """The file system of a folder or a URI, and the path in it. Nothing is read, so it need not exist.

    `retry_s`: how long a request to Google Cloud Storage is repeated, unless the URI says so itself. Raises ValueError
    or OSError where there is no such file system.
    """
    if "://" not in uri:
        return LocalFileSystem(), str(Path(uri).expanduser().absolute())
    parts = urlsplit(uri)
    if parts.scheme in _SCHEMES_OF_GOOGLE:
        if not parts.netloc:
            raise ValueError("it names no bucket")
        options = {_RETRY_LIMIT: str(retry_s)} | dict(parse_qsl(parts.query))
        uri = parts._replace(query=urlencode(options)).geturl()
    found: tuple[FileSystem, str] = FileSystem.from_uri(uri)
    return found


def reason_of(error: Exception) -> str:
    """What went wrong, in one line without its full stop: what the server said, where it is an answer of Google's."""
    text = str(error)
    if match := _LAST_MESSAGE.search(text):
        text = match[1]
    try:
        text = json.loads(text)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        text = _NO_TOKEN.sub("there are no credentials: ", text)
    return " ".join(text.split()).rstrip(".")
