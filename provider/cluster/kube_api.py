"""A namespace of a cluster through Kubernetes' own client: every call is repeated while the connection is lost.

Imported where it is used only: the client is large, and most updates need none.
"""

import json
import logging
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import urllib3
import websocket
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from kubernetes.stream import stream
from kubernetes.stream.ws_client import STDERR_CHANNEL, STDOUT_CHANNEL

from provider.cluster.api import PATIENCE_S, ClusterError, GoneError, Json

Answer = TypeVar("Answer")

_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 5.0, 30.0

# How long a cluster may stay away at most once the user has given up, in seconds.
_PATIENCE_WHEN_CANCELLED_S = 20.0
_AGAIN_AFTER_S = 2.0

_NOT_FOUND, _CONFLICT, _TOO_MANY, _UNAUTHORIZED = 404, 409, 429, 401

_LOST = (urllib3.exceptions.HTTPError, websocket.WebSocketException, OSError)

# Nothing is sent to a command, and this protocol is spoken by every kubelet without a translation on the way.
_EXEC_PROTOCOL = "v4.channel.k8s.io"

# A socket without a time-out of its own would wait for ever where packets get lost.
websocket.setdefaulttimeout(_READ_TIMEOUT_S)

# What the credential plugin says may hold what it was given; our own errors say what to do.
logging.getLogger().addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Access:
    """A kubeconfig's text and its current context; without one the user's own, and `context` of it where given."""

    kubeconfig: str | None = field(default=None, repr=False)
    context: str | None = None


class KubeApi:
    """provider.cluster.api.Cluster, in one namespace."""

    def __init__(
        self, access: Access, namespace: str, cancelled: threading.Event, on_lost: Callable[[float], None]
    ) -> None:
        """`on_lost` hears, while nothing is reached, for how many seconds. Raises ClusterError for a bad kubeconfig."""
        self._namespace = namespace
        self._cancelled = cancelled
        self._on_lost = on_lost
        settings = _settings(access)
        self._core = client.CoreV1Api(client.ApiClient(settings))
        self._batch = client.BatchV1Api(client.ApiClient(settings))
        self._authorization = client.AuthorizationV1Api(client.ApiClient(settings))
        # The client replaces its transport while it runs a command, so that has one of its own, another in each thread.
        self._access = access
        self._exec = threading.local()

    def forbidden(self, needed: Sequence[tuple[str, str]]) -> list[str]:
        """Which of these (verb, resource) the kubeconfig's user may not do in the namespace."""
        return [f"{verb} {resource}" for verb, resource in needed if not self._allows(verb, resource)]

    def create_job(self, job: Json) -> None:
        try:
            self._call(self._batch.create_namespaced_job, self._namespace, job)
        except _ConflictError:
            return

    def delete_job(self, name: str) -> None:
        options = {"propagationPolicy": "Foreground"}
        try:
            self._call(self._batch.delete_namespaced_job, name, self._namespace, body=options)
        except GoneError:
            return

    def jobs(self, selector: str) -> list[Json]:
        return self._items(self._batch.list_namespaced_job, label_selector=selector)

    def pods(self, selector: str) -> list[Json]:
        return self._items(self._core.list_namespaced_pod, label_selector=selector)

    def events(self, name: str) -> list[str]:
        happened = self._items(self._core.list_namespaced_event, field_selector=f"involvedObject.name={name}")
        happened.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
        return [f"{event.get('reason')}: {event.get('message')}" for event in happened]

    def log(self, pod: str, container: str, lines: int) -> str:
        said = self._call(
            self._core.read_namespaced_pod_log, pod, self._namespace, container=container, tail_lines=lines
        )
        return said.decode(errors="replace")

    def execute(self, pod: str, container: str, command: Sequence[str], patience_s: float = PATIENCE_S) -> str:
        return self._persist(lambda: self._execute(pod, container, command), patience_s)

    def _execute(self, pod: str, container: str, command: Sequence[str]) -> str:
        running = stream(
            self._commands().connect_get_namespaced_pod_exec,
            pod,
            self._namespace,
            container=container,
            command=list(command),
            stdin=False,
            stdout=True,
            stderr=True,
            tty=False,
            _preload_content=False,
            _headers={"sec-websocket-protocol": _EXEC_PROTOCOL},
        )
        try:
            running.run_forever(timeout=_READ_TIMEOUT_S)
            if running.is_open():
                raise TimeoutError(f"a command in pod {pod} took longer than {_READ_TIMEOUT_S:.0f} s")
            output, errors = running.read_channel(STDOUT_CHANNEL), running.read_channel(STDERR_CHANNEL)
            if (code := _exit_code(running)) != 0:
                raise ClusterError(f"a command in pod {pod}, container {container}, failed ({code}): {errors.strip()}")
        finally:
            running.close()
        return str(output)

    def _commands(self) -> client.CoreV1Api:
        if not hasattr(self._exec, "api"):
            # With settings of its own, too: before each call the client writes what the kubeconfig says into them.
            self._exec.api = client.CoreV1Api(client.ApiClient(_settings(self._access)))
        api: client.CoreV1Api = self._exec.api
        return api

    def _allows(self, verb: str, resource: str) -> bool:
        kind, _, part = resource.partition("/")
        attributes = {
            "namespace": self._namespace,
            "verb": verb,
            "resource": kind,
            "subresource": part,
            "group": "batch" if kind == "jobs" else "",
        }
        review = {"spec": {"resourceAttributes": attributes}}
        answer = json.loads(self._call(self._authorization.create_self_subject_access_review, review))
        return bool(answer["status"]["allowed"])

    def _items(self, call: Callable[..., Any], **selectors: str) -> list[Json]:
        items: list[Json] = json.loads(self._call(call, self._namespace, **selectors))["items"]
        return items

    def _call(self, call: Callable[..., Any], *arguments: object, **options: object) -> bytes:
        """The API's own bytes: the client's classes would hide what they do not know."""
        timeouts = (_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S)

        def once() -> bytes:
            answer = call(*arguments, **options, _preload_content=False, _request_timeout=timeouts)
            return bytes(answer.data)

        return self._persist(once)

    def _persist(self, call: Callable[[], Answer], patience_s: float = PATIENCE_S) -> Answer:
        """Do it again while the connection is lost or the server is overloaded or starting."""
        began = time.monotonic()
        while True:
            try:
                return call()
            except ApiException as error:
                if not _passes(error):
                    raise _told(error) from None
                trouble = f"{error.status} {error.reason}"
            except _LOST as error:
                # Only its kind: its text may hold the request with all its headers.
                trouble = type(error).__name__
            away_s = time.monotonic() - began
            if away_s > (min(patience_s, _PATIENCE_WHEN_CANCELLED_S) if self._cancelled.is_set() else patience_s):
                raise ClusterError(f"the cluster's API could not be reached for {away_s:.0f} s ({trouble})")
            self._on_lost(away_s)
            time.sleep(_AGAIN_AFTER_S)


class _ConflictError(ClusterError):
    """It exists already."""


def _settings(access: Access) -> client.Configuration:
    settings = client.Configuration()
    try:
        if access.kubeconfig is None:
            config.load_kube_config(context=access.context, client_configuration=settings)  # type: ignore[no-untyped-call]  # its config package has no types
        else:
            config.load_kube_config_from_dict(yaml.safe_load(access.kubeconfig), client_configuration=settings)  # type: ignore[no-untyped-call]  # the same
    except (ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError):
        # Neither the error nor its cause is quoted: either may hold a line of the kubeconfig.
        raise ClusterError(
            "the kubeconfig cannot be used: it is no kubeconfig, its current context is missing, or a file that it"
            " names is; `kubectl cluster-info` with the same kubeconfig says more"
        ) from None
    settings.retries = False
    _trust_one_list(settings)
    return settings


def _trust_one_list(settings: client.Configuration) -> None:
    """Where the kubeconfig names no authority, commands would trust another list than requests do."""
    # The client's stubs know no other hook than None.
    refresh = cast("Callable[[client.Configuration], None] | None", settings.refresh_api_key_hook)

    def trust(said: client.Configuration) -> None:
        # Before each call the client looks for a new token, and takes all else that the kubeconfig says along: that it
        # names no authority, and this hook as it was.
        if refresh is not None:
            refresh(said)
        said.ssl_ca_cert = said.ssl_ca_cert or ssl.get_default_verify_paths().cafile
        said.refresh_api_key_hook = trust  # type: ignore[assignment]

    trust(settings)


def _passes(error: ApiException) -> bool:
    """A handshake that was not answered has status 0."""
    status = error.status or 0
    return status in {0, _TOO_MANY} or status >= 500


def _told(error: ApiException) -> ClusterError:
    kind = {_NOT_FOUND: GoneError, _CONFLICT: _ConflictError}.get(error.status or 0, ClusterError)
    if error.status == _UNAUTHORIZED:
        return ClusterError("the cluster does not accept the kubeconfig's credentials; log in again")
    try:
        message = json.loads(error.body or "")["message"]
    except (ValueError, KeyError, TypeError):
        message = error.reason
    return kind(f"the cluster refused: {message}")


def _exit_code(running: Any) -> int:  # noqa: ANN401 - the client leaves its stream without a type
    try:
        return int(running.returncode)
    except (TypeError, KeyError, IndexError, ValueError) as cause:
        # It hung up without saying how the command ended: the connection was lost.
        raise ConnectionError("the command's end was not heard") from cause
