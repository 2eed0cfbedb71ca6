"""Google Cloud's REST APIs: one request, or every entry of a list that comes in pages.

Not through Google's client libraries: their google.rpc messages have the names of Pulumi's own, and a process that has
loaded one of the two cannot load the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import requests
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import AuthorizedSession
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from google_cloud.access import Access, credentials_of

Json = dict[str, Any]

# By service, as the Google provider calls it in `gcp:<service>CustomEndpoint`, with the version that is asked for.
ENDPOINTS = {
    "compute": "https://compute.googleapis.com/compute/v1/",
    "container": "https://container.googleapis.com/v1/",
    "iam": "https://iam.googleapis.com/v1/",
    "resourceManager": "https://cloudresourcemanager.googleapis.com/v1/",
    "serviceUsage": "https://serviceusage.googleapis.com/v1/",
    "storage": "https://storage.googleapis.com/storage/v1/",
}

UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
_TIMEOUT_S = 30.0
# Being asked too often, and a bad minute: both pass. Everything that is asked here may be asked twice.
PATIENT = Retry(
    total=4, backoff_factor=1.0, status_forcelist=[429, 500, 502, 503, 504], allowed_methods=None, raise_on_status=False
)


class CloudError(Exception):
    """Google did not do it; `status` is its HTTP status, None where no answer came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Google:
    """All services of one access. Every method raises CloudError."""

    def __init__(self, access: Access, retry: Retry = PATIENT) -> None:
        """Raises NoCredentialsError; asks nothing yet."""
        self._endpoints = ENDPOINTS | dict(access.endpoints)
        self._session = AuthorizedSession(credentials_of(access))
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def get(self, service: str, path: str, **query: str | Sequence[str]) -> Json:
        """What is at this path of the service, such as `projects/acme/regions/us-central1`."""
        return self._ask("GET", service, path, params=query)

    def post(self, service: str, path: str, body: Json) -> Json:
        """The answer to `body`."""
        return self._ask("POST", service, path, json=body)

    def delete(self, service: str, path: str, **query: str) -> Json:
        """The operation that deletes it, or an empty answer where it is deleted at once."""
        return self._ask("DELETE", service, path, params=query)

    def pages(self, service: str, path: str, **query: str | Sequence[str]) -> Iterator[Json]:
        """Every page of a list."""
        token: str | None = None
        while True:
            page = self.get(service, path, **query, **({"pageToken": token} if token else {}))
            yield page
            token = page.get("nextPageToken")
            if not token:
                return

    def _ask(self, method: str, service: str, path: str, **arguments: Json) -> Json:
        url = f"{self._endpoints[service].rstrip('/')}/{path}"
        try:
            answer = self._session.request(method, url, timeout=_TIMEOUT_S, **arguments)
        except RefreshError as error:
            raise CloudError(
                f"the credentials are not accepted any more ({_first_line(error)})", UNAUTHORIZED
            ) from None
        except (requests.RequestException, GoogleAuthError) as error:
            raise CloudError(f"no answer from {service} ({_first_line(error)})") from None
        if not answer.ok:
            raise CloudError(_message(service, answer), answer.status_code)
        return _document(service, answer)


def entries(page: Mapping[str, Any], key: str) -> list[Json]:
    """The entries of a page; raises CloudError where it holds something else."""
    found = page.get(key, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise CloudError(f"an answer's `{key}` is no list of entries, so what it lists is not known")
    return found


def _document(service: str, answer: requests.Response) -> Json:
    if not answer.content:
        return {}
    try:
        document = answer.json()
    except requests.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise CloudError(f"{service} answered with something that is no JSON object", answer.status_code)
    return document


def _message(service: str, answer: requests.Response) -> str:
    """Google's own sentence, where there is one."""
    try:
        error = answer.json()["error"]
        said = str(error["message"])
    except (requests.JSONDecodeError, KeyError, TypeError):
        said = answer.reason or "no reason given"
    return f"{service} answered {answer.status_code}: {said}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
