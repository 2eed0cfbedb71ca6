"""The file system of a results store, a folder or a bucket, and what its errors say in one line."""

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import pyarrow as pa
from pyarrow.fs import FileSystem, FileType, LocalFileSystem

# Arrow's own limit is 15 minutes (https://arrow.apache.org/docs/python/generated/pyarrow.fs.GcsFileSystem.html).
RETRY_S = 60
_CHUNK_BYTES = 2**22
# The end of the name that a file has on a disk until it is complete.
HALF_WRITTEN = ".half-written"

_SCHEMES_OF_GOOGLE = ("gs", "gcs")
_RETRY_LIMIT = "retry_limit_seconds"
# What Google's client writes around the message of the server, and around the reason why it has no token.
_LAST_MESSAGE = re.compile(r"last message of (.*?) error_info=", re.DOTALL)
_USERS_FILE = Path("~/.config/gcloud/application_default_credentials.json")
_FIX_LOGIN = "log in with `gcloud auth application-default login`"
_FIX_TOKEN = f"check the network, or {_FIX_LOGIN.replace('log in', 'log in again')}"
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
        text = _NO_TOKEN.sub(f"{_no_token()}: ", text)
    return " ".join(text.split()).rstrip(".")


def credentials_file() -> Path | None:
    """The file with the Application Default Credentials; None where the metadata server of Google's machines has them.

    Google's client looks for them as https://cloud.google.com/docs/authentication/application-default-credentials says.
    """
    if named := os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return Path(named)
    return _USERS_FILE.expanduser() if _USERS_FILE.expanduser().exists() else None


def is_of_google(uri: str) -> bool:
    """Whether it is a bucket of Google Cloud Storage."""
    return urlsplit(uri).scheme in _SCHEMES_OF_GOOGLE


def token_fix(error: Exception) -> str | None:
    """What to do where Google's client had no access token, so that no request was sent; None after other errors."""
    if not _NO_TOKEN.search(str(error)):
        return None
    return _FIX_TOKEN if credentials_file() else _FIX_LOGIN


def _no_token() -> str:
    if file := credentials_file():
        return f"the credentials in {file} gave no access token"
    return (
        f"there are no credentials: GOOGLE_APPLICATION_CREDENTIALS is not set, {_USERS_FILE.expanduser()} does not"
        " exist, and no metadata server of Google Cloud answers"
    )


def files_below(folder: str, inside: tuple[tuple[int, int], ...] = ()) -> Iterator[tuple[str, str | None]]:
    """The path of each file below a folder of this machine, and None; or of what cannot be read, and why.

    Links are followed. `inside` are device and inode of the folders around it, by which a link to one of them is known.
    """
    try:
        itself = Path(folder).stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield folder, f"cannot be read: {error.strerror}; check its permissions"
        return
    around = (*inside, (itself.st_dev, itself.st_ino))
    if around[-1] in inside:
        yield folder, "is a link to a folder that it is in; remove it"
        return
    for entry in entries:
        try:
            if entry.is_dir():
                yield from files_below(entry.path, around)
            else:
                yield entry.path, None if entry.is_file() else "is not a file, or a link to nothing; remove it"
        except OSError as error:
            yield entry.path, f"cannot be read: {error.strerror}; remove it"


def read_all(filesystem: FileSystem, path: str, most_bytes: int) -> pa.Buffer:
    """The content of a file, in Arrow's own memory; raises OSError where it is larger than `most_bytes`, or no file."""
    # Who opens a named pipe waits for ever for somebody who writes to it.
    if isinstance(filesystem, LocalFileSystem) and filesystem.get_file_info(path).type is FileType.Unknown:
        raise OSError("it is not a file, but a pipe, a socket or a device")
    # A stream: for the size of a file of Arrow's, Python waits with its lock held, and all threads with it. A stream's
    # `read_buffer` without a size is Python's bytes.
    with filesystem.open_input_stream(path, compression=None) as file:
        content = pa.BufferOutputStream()
        while chunk := file.read(_CHUNK_BYTES):
            content.write(chunk)
            if content.tell() > most_bytes:
                raise OSError(f"it is larger than {most_bytes:,} bytes, which no file of a run is")
        return content.getvalue()


def write_to_disk(target: Path, content: pa.Buffer | bytes) -> None:
    """Write a file under another name, and give it its own once a power failure cannot take its content back."""
    new_folders = [folder for folder in target.parents if not folder.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    half_written = target.with_name(f"{target.name}.{secrets.token_hex(4)}{HALF_WRITTEN}")
    try:
        with half_written.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half_written.rename(target)
    finally:
        half_written.unlink(missing_ok=True)
    for folder in (target.parent, *(each.parent for each in new_folders)):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def upload(filesystem: FileSystem, target: str, content: pa.Buffer | bytes) -> None:
    """Write an object, in one call. None is left after an exception."""
    try:
        with filesystem.open_output_stream(target, compression=None) as stream:
            stream.write(content)
    except BaseException:
        # The end of the block has finished the upload of what was written until then.
        with suppress(OSError, pa.ArrowException):
            filesystem.delete_file(target)
        raise
