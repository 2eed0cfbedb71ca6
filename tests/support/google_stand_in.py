"""A stand-in for Google Cloud's REST APIs over real HTTP: a project with quotas, permissions and a test's resources.

It answers as Google's references say (compute v1, container v1, iam v1, cloudresourcemanager v1, serviceusage
v1, storage v1), lists in pages, and refuses to delete what is in use.
"""

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from google_cloud.preflight import GRANTS, ROLES
from google_cloud.rest import ENDPOINTS
from stacks.machines.quota_needs import APIS
from tests.support.loopback import serve_http

Json = dict[str, Any]
Query = dict[str, list[str]]
PROJECT, REGION, ZONE = "acme", "us-central1", "us-central1-a"
# The answer to projects.get has it as text.
PROJECT_NUMBER = "123456789012"

_LARGE = (1000.0, 0.0)
# Small, so that most lists have several pages and a reader of only the first page fails.
_PAGE = 2
_CLUSTERS = r"container/projects/[^/]+/locations/[^/]+/clusters/[^/]+"
_REGIONAL = ("CPUS", "E2_CPUS", "INSTANCES", "SSD_TOTAL_GB", "IN_USE_ADDRESSES", "STATIC_ADDRESSES")
_OF_PROJECT = ("CPUS_ALL_REGIONS", "NETWORKS", "SUBNETWORKS", "ROUTERS")


# The exchange of a token: https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
_TOKEN_PATH = "/sts/v1/token"
_TOKEN = {
    "access_token": "ya29.of-the-stand-in",
    "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "token_type": "Bearer",
    "expires_in": 3600,
}


class RefusedError(Exception):
    """Makes the stand-in answer with an error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class GoogleStandIn:
    """One project. `answers_first` replace the next answers: a status, and a body or None for Google's error format."""

    project: str = PROJECT
    apis: set[str] = field(default_factory=lambda: set(APIS))
    zones: dict[str, str] = field(default_factory=lambda: {ZONE: "UP"})
    regional: dict[str, tuple[float, float]] = field(default_factory=lambda: dict.fromkeys(_REGIONAL, _LARGE))
    global_: dict[str, tuple[float, float]] = field(default_factory=lambda: dict.fromkeys(_OF_PROJECT, _LARGE))
    families: dict[tuple[str, str], int] = field(default_factory=dict)
    """Limits of the vCPUs of machine families, by region and family: https://docs.cloud.google.com/docs/quotas/reference."""
    gke_version: str = "1.35.1-gke.1001000"
    """The default version of the channel REGULAR."""
    permissions: set[str] = field(default_factory=lambda: {*ROLES, *GRANTS})
    resources: dict[str, Json] = field(default_factory=dict)
    """By service and path: `iam/projects/acme/serviceAccounts/<email>`."""
    deleted: list[str] = field(default_factory=list)
    """Paths that were deleted, in order."""
    polls: int = 1
    """How often a deletion counts as running before it is done."""
    operation_error: Json | None = None
    _running: dict[str, int] = field(default_factory=dict)
    answers_first: list[tuple[int, bytes | None]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    ahead: timedelta | None = timedelta(0)
    """How far its clock is ahead of this machine's; None for answers without a `Date`."""

    def answer(self, method: str, target: str, body: Json) -> tuple[int, bytes]:
        url = urlsplit(target)
        path = unquote(url.path).lstrip("/")
        self.requests.append(f"{method} {path}")
        if self.answers_first:
            code, content = self.answers_first.pop(0)
            return code, _error(code, "made to answer so") if content is None else content
        try:
            if method == "DELETE":
                return 200, json.dumps(self._delete(path)).encode()
            return 200, json.dumps(self._document(path, parse_qs(url.query), body)).encode()
        except RefusedError as error:
            return error.code, _error(error.code, str(error))

    def _document(self, path: str, query: Query, body: Json) -> Json:
        of = re.search(r"^[^/]+/projects/([^/:]+)", path)
        if of and of[1] != self.project:
            raise RefusedError(403, f"Permission denied on resource project {of[1]}.")
        short = path.replace(f"/projects/{self.project}", "/P")
        answers: dict[str, Callable[[str], Json]] = {
            r"serviceUsage/P/services:(batchGet)": lambda _: self._services(query["names"]),
            r"resourceManager/P:(testIamPermissions)": lambda _: self._held(body["permissions"]),
            r"resourceManager/(P)": lambda _: {"projectId": self.project, "projectNumber": PROJECT_NUMBER},
            r"storage/b/([^/]+)/iam/testPermissions": lambda _: self._held(query["permissions"]),
            r"compute/P/zones/([^/]+)": self._zone,
            r"compute/P/regions/([^/]+)": self._region,
            r"compute/(P)": lambda _: {"quotas": _quotas(self.global_)},
            r"container/P/locations/[^/]+/(serverConfig)": lambda _: {
                "defaultClusterVersion": "1.36.0-gke.1",
                "channels": [
                    {"channel": "RAPID", "defaultVersion": "1.36.0-gke.1"},
                    {"channel": "REGULAR", "defaultVersion": self.gke_version},
                ],
            },
            r"cloudQuotas/P/locations/global/services/compute.googleapis.com/quotaInfos/(CPUS-PER-VM-FAMILY-.+)": (
                lambda _: {"dimensionsInfos": [self._family(*key, limit) for key, limit in self.families.items()]}
            ),
            r"container/P/locations/(-)/clusters": lambda _: {"clusters": self._below(_CLUSTERS)},
            r"compute/P/aggregated/([^/]+)": lambda plural: self._aggregated(plural, query),
            r"compute/P/global/(networks|firewalls)": lambda _: _page(self._below(rf"{path}/[^/]+"), "items", query),
            r"storage/(b)": lambda _: _page(self._below(rf"{path}/[^/]+"), "items", query),
            r"storage/b/([^/]+)/o": lambda _: _page(self._below(rf"{path}/.+"), "items", query),
            r"iam/P/(serviceAccounts)": lambda _: _page(self._below(rf"{path}/[^/]+"), "accounts", query),
            r".+/operations/([^/]+)": self._operation,
        }
        for pattern, answer in answers.items():
            if found := re.fullmatch(pattern, short):
                return answer(found[1])
        if path in self.resources:
            return self.resources[path]
        raise RefusedError(404, f"The resource '{path}' was not found")

    def _services(self, names: list[str]) -> Json:
        states = {name: "ENABLED" if name.rpartition("/")[2] in self.apis else "DISABLED" for name in names}
        return {"services": [{"name": name, "state": state} for name, state in states.items()]}

    def _held(self, permissions: list[str]) -> Json:
        return {"permissions": [permission for permission in permissions if permission in self.permissions]}

    @staticmethod
    def _family(region: str, family: str, limit: int) -> Json:
        dimensions = {"region": region, "vm_family": family}
        named = {key: value for key, value in dimensions.items() if value}
        return {"dimensions": named, "details": {"value": str(limit)}, "applicableLocations": [region or REGION]}

    def _zone(self, zone: str) -> Json:
        if zone not in self.zones:
            raise RefusedError(404, f"The resource 'zones/{zone}' was not found")
        return {"name": zone, "status": self.zones[zone]}

    def _region(self, region: str) -> Json:
        if not any(zone.startswith(f"{region}-") for zone in self.zones):
            raise RefusedError(404, f"The resource 'regions/{region}' was not found")
        return {"name": region, "quotas": _quotas(self.regional)}

    def _below(self, pattern: str) -> list[Json]:
        return [resource for path, resource in self.resources.items() if re.fullmatch(pattern, path)]

    def _aggregated(self, plural: str, query: Query) -> Json:
        """Resources grouped by zone and region; a page holds some of the groups, an empty one has a warning."""
        scopes: Json = {"zones/empty-a": {"warning": {"code": "NO_RESULTS_ON_PAGE"}}}
        for path, resource in self.resources.items():
            if found := re.fullmatch(rf"compute/projects/[^/]+/(.+)/{plural}/[^/]+", path):
                scopes.setdefault(found[1], {plural: []})[plural].append(resource)
        pairs = _page([*scopes.items()], "items", query)
        return pairs | {"items": dict(pairs["items"])}

    def _delete(self, path: str) -> Json:
        if path not in self.resources:
            raise RefusedError(404, f"The resource '{path}' was not found")
        # A bucket with objects, or anything that another resource names in `holds`.
        users = [
            user
            for user, resource in self.resources.items()
            if path in resource.get("holds", ()) or user.startswith(f"{path}/o/")
        ]
        if users:
            raise RefusedError(400, f"The resource '{path}' is already being used by '{users[0]}'")
        service = path.partition("/")[0]
        if service not in {"compute", "container"} or self.operation_error is None:
            for gone in (path, *self.resources[path].get("deletes_along", ())):
                del self.resources[gone]
            self.deleted.append(path)
        if service not in {"compute", "container"}:
            return {}
        name = f"operation-{len(self._running) + 1}"
        self._running[name] = self.polls
        return {"name": name, "status": "RUNNING"}

    def _operation(self, name: str) -> Json:
        if name not in self._running:
            raise RefusedError(404, f"there is no operation {name}")
        self._running[name] -= 1
        if self._running[name] > 0:
            return {"name": name, "status": "RUNNING"}
        return {"name": name, "status": "DONE"} | ({"error": self.operation_error} if self.operation_error else {})


def _page(listed: list[Any], key: str, query: Query) -> Json:
    begin = int(query.get("pageToken", ["0"])[0])
    end = begin + _PAGE
    return {key: listed[begin:end]} | ({"nextPageToken": str(end)} if end < len(listed) else {})


def _quotas(quotas: dict[str, tuple[float, float]]) -> list[Json]:
    return [{"metric": metric, "limit": limit, "usage": usage} for metric, (limit, usage) in quotas.items()]


def _error(code: int, message: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": message}}).encode()


@contextmanager
def serving(stand_in: GoogleStandIn) -> Iterator[dict[str, str]]:
    """Serve on the loopback; yields the `gcp:*` keys with its endpoints."""

    class Handler(BaseHTTPRequestHandler):
        # One packet for head and body; two would add a delay (Nagle, delayed ACK).
        wbufsize = -1
        protocol_version = "HTTP/1.1"

        def __getattr__(self, name: str) -> Callable[[], None]:
            # do_GET, do_POST and do_DELETE are the same here.
            if name.startswith("do_"):
                return self._answer
            raise AttributeError(name)

        def date_time_string(self, timestamp: float | None = None) -> str:
            ahead_s = stand_in.ahead.total_seconds() if stand_in.ahead is not None else 0
            return super().date_time_string((time.time() if timestamp is None else timestamp) + ahead_s)

        def send_header(self, keyword: str, value: str) -> None:
            if keyword != "Date" or stand_in.ahead is not None:
                super().send_header(keyword, value)

        def _answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == _TOKEN_PATH:
                code, content = 200, json.dumps(_TOKEN).encode()
            else:
                code, content = stand_in.answer(self.command, self.path, json.loads(sent) if sent else {})
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with serve_http(Handler) as url:
        yield {f"gcp:{service}CustomEndpoint": f"{url}/{service}/" for service in ENDPOINTS}


def application_default_credentials(keys: dict[str, str], folder: Path) -> Path:
    """Writes Application Default Credentials whose tokens the stand-in with these endpoints gives; returns the file.

    They are of the kind that google-github-actions/auth makes: https://google.aip.dev/auth/4117.
    """
    subject_token = folder / "subject-token"
    subject_token.write_text("of-the-tests")
    file = folder / "application_default_credentials.json"
    document = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/of-the-tests",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": keys["gcp:iamCustomEndpoint"].removesuffix("/iam/") + _TOKEN_PATH,
        "credential_source": {"file": str(subject_token)},
    }
    file.write_text(json.dumps(document))
    return file


def write_auth_plugin(path: Path, script: str = "") -> None:
    """Writes an executable that answers as gke-gcloud-auth-plugin does, or does what `script` says.

    The answer: PrintCred in kubernetes/cloud-provider-gcp, cmd/gke-gcloud-auth-plugin/cred.go.
    """
    answer = {
        "kind": "ExecCredential",
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "spec": {"interactive": False},
        "status": {"token": _TOKEN["access_token"]},
    }
    path.write_text("#!/bin/sh\n" + (script or f"echo '{json.dumps(answer)}'"))
    path.chmod(0o755)
