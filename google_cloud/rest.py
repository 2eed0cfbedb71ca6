"""A client of Google Cloud's REST APIs: single requests, and lists page by page.

Not Google's client libraries: their google.rpc messages have the same names as those of Pulumi's SDK, and one process
cannot load both.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from google.auth.exceptions import GoogleAuthError, RefreshError
from google.auth.transport.requests import AuthorizedSession
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from google_cloud.access import Access, credentials_of
from stacks.explain import first_line

Json = dict[str, Any]

# By service, named as in the Google provider's `gcp:<service>CustomEndpoint`, with the version of the API.
ENDPOINTS = {
    "cloudQuotas": "https://cloudquotas.googleapis.com/v1/",
    "compute": "https://compute.googleapis.com/compute/v1/",
    "container": "https://container.googleapis.com/v1/",
    "iam": "https://iam.googleapis.com/v1/",
    "resourceManager": "https://cloudresourcemanager.googleapis.com/v1/",
    "serviceUsage": "https://serviceusage.googleapis.com/v1/",
    "storage": "https://storage.googleapis.com/storage/v1/",
}

UNAUTHORIZED, FORBIDDEN, NOT_FOUND = 401, 403, 404
_TIMEOUT_S = 30.0
# For rate limits and short outages. Every request here may be sent twice.
RETRIES = Retry(
    total=4, backoff_factor=1.0, status_forcelist=[429, 500, 502, 503, 504], allowed_methods=None, raise_on_status=False
)


class CloudError(Exception):
    """A request to Google failed; `status` is the HTTP status, None where no answer came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class GoogleClient:
    """Sends requests to all services of one `Access`. Every method raises CloudError."""

    def __init__(self, access: Access) -> None:
        """Raises NoCredentialsError; sends nothing yet."""
        self._endpoints = ENDPOINTS | dict(access.endpoints)
        self._session = AuthorizedSession(credentials_of(access))
        self._clock: tuple[datetime, float] | None = None
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=RETRIES))

    def now(self) -> datetime:
        """Google's time, by the `Date` of its last answer: this machine's clock may be wrong.

        https://www.rfc-editor.org/rfc/rfc9110#name-date; to the second. Raises CloudError before there was an answer.
        """
        if self._clock is None:
            raise CloudError("none of Google's answers has a Date header, so Google's time is not known")
        date, read_at_s = self._clock
        return date + timedelta(seconds=time.monotonic() - read_at_s)

    def get(self, service: str, path: str, **query: str | Sequence[str]) -> Json:
        """GET a path of the service, such as `projects/acme/regions/us-central1`."""
        return self._send("GET", service, path, params=query)

    def find(self, service: str, path: str) -> Json | None:
        """GET a path of the service; None where it does not exist."""
        try:
            return self.get(service, path)
        except CloudError as error:
            if error.status != NOT_FOUND:
                raise
            return None

    def post(self, service: str, path: str, body: Json) -> Json:
        return self._send("POST", service, path, json=body)

    def delete(self, service: str, path: str, **query: str) -> Json:
        """DELETE a path; returns the operation that does it, or an empty answer where it is done at once."""
        return self._send("DELETE", service, path, params=query)

    def pages(self, service: str, path: str, **query: str | Sequence[str]) -> Iterator[Json]:
        """GET every page of a list."""
        token: str | None = None
        while True:
            page = self.get(service, path, **query, **({"pageToken": token} if token else {}))
            yield page
            token = page.get("nextPageToken")
            if not token:
                return

    def _send(self, method: str, service: str, path: str, **arguments: Json) -> Json:
        url = f"{self._endpoints[service].rstrip('/')}/{path}"
        try:
            answer = self._session.request(method, url, timeout=_TIMEOUT_S, **arguments)
        except RefreshError as error:
            raise CloudError(f"Google refuses the credentials ({first_line(error)})", UNAUTHORIZED) from None
        except (requests.RequestException, GoogleAuthError) as error:
            raise CloudError(f"no answer from {service} ({first_line(error)}); check this machine's network") from None
        with contextlib.suppress(KeyError, ValueError):
            self._clock = parsedate_to_datetime(answer.headers["Date"]), time.monotonic()
        if not answer.ok:
            raise CloudError(_message(service, answer), answer.status_code)
        return _document(service, answer)


def entries(page: Mapping[str, Any], key: str) -> list[Json]:
    """The entries of a page; raises CloudError where it is not a list of objects."""
    listed = page.get(key, [])
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise CloudError(f"`{key}` in Google's answer is not a list of objects, so the resources in it are unknown")
    return listed


def _document(service: str, answer: requests.Response) -> Json:
    if not answer.content:
        return {}
    try:
        document = answer.json()
    except requests.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise CloudError(f"{service} answered with something that is not a JSON object", answer.status_code)
    return document


def _message(service: str, answer: requests.Response) -> str:
    """Status and Google's own message, where there is one."""
    try:
        reason = str(answer.json()["error"]["message"])
    except (requests.JSONDecodeError, KeyError, TypeError):
        reason = answer.reason or "no reason given"
    return f"{service} answered {answer.status_code}: {reason}"
