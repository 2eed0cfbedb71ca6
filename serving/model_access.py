"""Runs in the server's pod before the server: waits until the pod may read its model. Needs the standard library only.

TensorFlow Serving looks for its model once, and TensorFlow keeps an empty token for the life of the process after one
failed request for it. Both requests can fail in a pod's first seconds, or until the bucket's grant is in force.

A model in a bucket of others can be replaced at any time, so there it also checks that the files are those that were
copied and hashed where Pulumi runs. For a server that reads no buckets it copies the model into a folder of the pod.
"""

import http.client
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PurePosixPath

# Of an export's first version: the server reads it first.
_FILE = "1/saved_model.pb"
_TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105 - not a token
_INTERVAL_S = 2.0
_REQUEST_LIMIT_S = 5.0
_COPIED_AT_ONCE = 1 << 20
# What to do about each reason; docs/serving-in-a-cluster.md has the same table.
_CHECK_METADATA = (
    "On GKE, check that the node pool has the mode GKE_METADATA, and that no network policy of your own blocks the"
    " metadata server; outside Google Cloud there is none, so use a model in the image"
)
_CHECK_NETWORK = "Check that the pod reaches storage.googleapis.com"
# https://cloud.google.com/iam/docs/access-change-propagation
_WAIT_FOR_GRANT = (
    "If the bucket was granted just now, only run `pulumi up` again: a change of IAM takes typically 2 minutes,"
    " potentially 7 or longer"
)
# By status code: https://cloud.google.com/storage/docs/json_api/v1/status-codes
_REFUSALS = {
    401: (
        "Cloud Storage does not accept the pod's token",
        "Google did not issue it: find and stop the program that answers at the metadata server's address",
    ),
    403: ("the bucket's grant to the pod's service account is missing or not yet in force", _WAIT_FOR_GRANT),
    404: (
        "it is not in the bucket",
        "Run `pulumi refresh` and `pulumi up` to upload it again; on an existing cluster, copy the export to modelUri",
    ),
}
_OTHER_REFUSAL = ("Cloud Storage refuses it", "Run `pulumi up` again later")


Objects = Mapping[str, Sequence[int]]
"""Size and time of creation, in µs since 1970, by path below the model's URI; saved_model.pb first.

An object never changes: a write makes a new one, with a time of its own.
https://cloud.google.com/storage/docs/objects#immutability
"""


class ChangedModelError(Exception):
    """Another model is in the bucket, which no wait changes."""


class NoAccessError(Exception):
    """The model cannot be read now; the message says why."""

    def __init__(self, reason: str, fix: str) -> None:
        super().__init__(reason)
        self.fix = fix


def read_model(metadata_url: str, storage_url: str, model_uri: str, wanted: Objects | None = None) -> None:
    """Read what the server reads first, an object and a list of its folder; raises NoAccessError.

    Raises ChangedModelError where there are other objects than the `wanted` ones.
    """
    token = _token(metadata_url)
    bucket, _, folder = model_uri.removeprefix("gs://").partition("/")
    objects, first = f"{storage_url}/storage/v1/b/{bucket}/o", next(iter(wanted or ()), _FILE)
    if wanted:
        listed = _listed(model_uri, objects, f"{folder}/", token)
        _require_unchanged(first.partition("/")[0], wanted, dict(listed))
    name = f"{folder}/{first}"
    _read(f"gs://{bucket}/{name}", f"{objects}/{urllib.parse.quote(name, safe='')}", token)
    if not wanted:
        query = urllib.parse.urlencode({"prefix": f"{folder}/", "maxResults": 1})
        _read(f"the list of {model_uri}", f"{objects}?{query}", token)


def copy_model(
    metadata_url: str, storage_url: str, model_uri: str, folder: Path, wanted: Objects | None = None
) -> None:
    """Copy the model, or the `wanted` files of it, into the folder; files that are there whole stay as they are.

    Raises as `read_model` does.
    """
    token = _token(metadata_url)
    bucket, _, above = model_uri.removeprefix("gs://").partition("/")
    objects = f"{storage_url}/storage/v1/b/{bucket}/o"
    for path, (size, _) in dict(_listed(model_uri, objects, f"{above}/", token)).items():
        if wanted and path not in wanted:
            continue
        if ".." in PurePosixPath(path).parts:
            raise ChangedModelError(f"{path} would be outside its folder")
        to = folder / path
        if not to.exists() or to.stat().st_size != size:
            to.parent.mkdir(parents=True, exist_ok=True)
            name = f"{above}/{path}"
            url = f"{objects}/{urllib.parse.quote(name, safe='')}?alt=media"
            _copy(f"gs://{bucket}/{name}", url, token, to, size)
    if wanted:
        # They may have been replaced meanwhile.
        after = dict(_listed(model_uri, objects, f"{above}/", token))
        _require_unchanged(next(iter(wanted)).partition("/")[0], wanted, after)


def _copy(what: str, url: str, token: str, to: Path, size: int) -> None:
    with _asking(what), _opened(url, {"Authorization": f"Bearer {token}"}) as answer, to.open("wb") as file:
        while part := answer.read(_COPIED_AT_ONCE):
            file.write(part)
    if to.stat().st_size != size:
        raise NoAccessError(f"{what} ended after {to.stat().st_size} of {size} bytes", _CHECK_NETWORK)


def _listed(model_uri: str, objects: str, prefix: str, token: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/list, without the objects that stand for folders."""
    query = {"prefix": prefix, "fields": "nextPageToken,items(name,size,timeCreated)"}
    while True:
        page = json.loads(_read(f"the list of {model_uri}", f"{objects}?{urllib.parse.urlencode(query)}", token))
        for item in page.get("items", ()):
            if not item["name"].endswith("/"):
                yield item["name"].removeprefix(prefix), (int(item["size"]), _microseconds(item["timeCreated"]))
        if "nextPageToken" not in page:
            return
        query["pageToken"] = page["nextPageToken"]


def _microseconds(time_created: str) -> int:
    return round(datetime.fromisoformat(time_created).timestamp() * 1e6)


def _require_unchanged(version: str, wanted: Objects, found: Mapping[str, tuple[int, int]]) -> None:
    """The files of the version are the wanted ones, and no higher version is there, which the server would load."""
    versions = {path.partition("/")[0] for path in found}
    if higher := [each for each in versions if each.isdecimal() and int(each) > int(version)]:
        raise ChangedModelError(f"it has the version {max(higher, key=int)} by now")
    of_version = {path: known for path, known in found.items() if path.startswith(f"{version}/")}
    for path in sorted(of_version.keys() | wanted.keys()):
        if of_version.get(path) != tuple(wanted.get(path, ())):
            change = "is gone" if path not in of_version else "was changed" if path in wanted else "was added"
            raise ChangedModelError(f"{path} {change}")


def wait(read: Callable[[], None], within_s: float) -> None:
    """Return once `read` succeeds, and print each new reason why it does not; raises NoAccessError with the last."""
    began, said = time.monotonic(), ""
    while True:
        try:
            return read()
        except NoAccessError as error:
            if time.monotonic() - began > within_s:
                raise
            if str(error) != said:
                said = str(error)
                print(f"after {time.monotonic() - began:.0f} s: {said}", flush=True)
        time.sleep(_INTERVAL_S)


def _token(metadata_url: str) -> str:
    try:
        return str(json.loads(_get(metadata_url + _TOKEN_PATH, {"Metadata-Flavor": "Google"}))["access_token"])
    except urllib.error.HTTPError as error:
        raise NoAccessError(
            f"the metadata server gives no token ({error.code} {error.reason})", _CHECK_METADATA
        ) from None
    except (OSError, http.client.HTTPException) as error:
        raise NoAccessError(f"the metadata server does not answer ({_cause(error)})", _CHECK_METADATA) from None
    except (ValueError, KeyError, TypeError):
        raise NoAccessError("the metadata server's answer holds no token", _CHECK_METADATA) from None


def _read(what: str, url: str, token: str) -> bytes:
    with _asking(what):
        return _get(url, {"Authorization": f"Bearer {token}"})


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Raises NoAccessError where Cloud Storage refuses or does not answer."""
    try:
        yield
    except urllib.error.HTTPError as error:
        reason, fix = _REFUSALS.get(error.code, _OTHER_REFUSAL)
        raise NoAccessError(f"{what} cannot be read: {reason} ({error.code} {_message(error)})", fix) from None
    except (OSError, http.client.HTTPException) as error:
        reason = f"Cloud Storage does not answer ({_cause(error)})"
        raise NoAccessError(f"{what} cannot be read: {reason}", _CHECK_NETWORK) from None


def _get(url: str, headers: Mapping[str, str]) -> bytes:
    with _opened(url, headers) as answer:
        return bytes(answer.read())


def _opened(url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 - the component gives the URL
    answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_REQUEST_LIMIT_S)  # noqa: S310 - the same
    return answer


def _message(error: urllib.error.HTTPError) -> str:
    """Google's own message, where there is one."""
    try:
        return str(json.loads(error.read())["error"]["message"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return str(error.reason)


def _cause(error: Exception) -> str:
    return str(getattr(error, "reason", error)) or type(error).__name__


def main(
    metadata_url: str, storage_url: str, model_uri: str, within_s: str, objects: str = "{}", folder: str = ""
) -> None:
    """Wait until the model at `model_uri` (`gs://…`) can be read, for `within_s` seconds at most.

    `objects` are the wanted ones as JSON; empty for any. With a `folder` it is copied there, in as many tries as that
    takes within this time; what a try has copied stays.
    """
    wanted = json.loads(objects)
    try:
        wait(lambda: read_model(metadata_url, storage_url, model_uri, wanted), float(within_s))
        if folder:
            wait(lambda: copy_model(metadata_url, storage_url, model_uri, Path(folder), wanted), float(within_s))
            print(f"{model_uri} is copied to {folder}", flush=True)
            return
    except ChangedModelError as error:
        sys.exit(
            f"the model in {model_uri} is not the one that `pulumi up` copied and hashed, so the server was not"
            f" started: {error}. Run `pulumi up` again, which measures the model that is there now"
        )
    except NoAccessError as error:
        sys.exit(
            f"after {within_s} s the model still cannot be read, so the server was not started: {error}. {error.fix}"
        )
    print(f"{model_uri} can be read", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
