"""A namespace of a cluster through Kubernetes' own client; every call is retried while the connection is lost.

Imported only where it is used: the client is large, and most updates need none.
"""

import contextlib
import json
import logging
import re
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import urllib3
import websocket
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import stream
from kubernetes.stream.ws_client import STDERR_CHANNEL, STDOUT_CHANNEL

from provider.cluster.api import RETRY_S, ClusterError, Json, NotFoundError, PodRequest
from provider.cluster.kubeconfig import Access, cluster_of, settings_of

Answer = TypeVar("Answer")

_READ_TIMEOUT_S = 30.0
_TIMEOUTS_S = (5.0, _READ_TIMEOUT_S)  # to connect, and to read

# How long calls are retried at most once the update is cancelled, and how long after each other, in seconds.
_RETRY_WHEN_CANCELLED_S = 20.0
_RETRY_INTERVAL_S = 2.0

_NOT_FOUND, _CONFLICT, _TOO_MANY, _UNAUTHORIZED = 404, 409, 429, 401

_CONNECTION_ERRORS = (urllib3.exceptions.HTTPError, websocket.WebSocketException, OSError)

_API_UNREACHABLE = (
    "the cluster's API",
    "check this machine's network and `kubectl cluster-info`, and run the command again when the cluster answers",
)
_POD_UNREACHABLE = (
    "the pod",
    "check that its node is ready (`kubectl get nodes`), and run the command again",
)

# Every kubelet speaks this protocol without a translation; a command that gets no input needs no later one.
_EXEC_PROTOCOL = "v4.channel.k8s.io"

# How the client reports that a handshake was answered, but not by the switch of protocols.
_HANDSHAKE = re.compile(r"Handshake status (\d+) (.*?) -\+-\+-")

# Without a time-out a socket waits for ever where packets get lost.
websocket.setdefaulttimeout(_READ_TIMEOUT_S)

# A credential plugin may print credentials, so the client's log is dropped; our own errors say what to do.
logging.getLogger().addHandler(logging.NullHandler())


class KubeApi:
    """provider.cluster.api.Cluster, in one namespace."""

    def __init__(
        self,
        access: Access,
        namespace: str,
        cancelled: threading.Event,
        on_connection_lost: Callable[[float], None],
        retry_s: float = RETRY_S,
    ) -> None:
        """`on_connection_lost` gets the seconds since the call began. Calls to the API are retried for `retry_s`.

        Raises ClusterError for a bad kubeconfig.
        """
        self._namespace = namespace
        self._retry_s = retry_s
        self._cancelled = cancelled
        self._on_connection_lost = on_connection_lost
        settings = settings_of(access)
        self._core = client.CoreV1Api(client.ApiClient(settings))
        self._batch = client.BatchV1Api(client.ApiClient(settings))
        self._authorization = client.AuthorizationV1Api(client.ApiClient(settings))
        # While the client runs a command it replaces its transport, so each thread has a client for commands.
        self._access = access
        self.cluster = cluster_of(settings)
        self._exec = threading.local()
        self._commands_failed = False

    def missing_rights(self, required: Sequence[tuple[str, str]]) -> list[str]:
        """Those of these (verb, resource) that the kubeconfig's user does not have in the namespace."""
        return [f"{verb} {resource}" for verb, resource in required if not self._allows(verb, resource)]

    def create_job(self, job: Json) -> None:
        try:
            self._call(self._batch.create_namespaced_job, self._namespace, job)
        except _ConflictError:
            return

    def delete_job(self, name: str) -> None:
        options = {"propagationPolicy": "Foreground"}
        try:
            self._call(self._batch.delete_namespaced_job, name, self._namespace, body=options)
        except NotFoundError:
            return

    def jobs(self, selector: str) -> list[Json]:
        return self._items(self._batch.list_namespaced_job, label_selector=selector)

    def pods(self, selector: str) -> list[Json]:
        return self._items(self._core.list_namespaced_pod, label_selector=selector)

    def machine_of(self, node: str) -> str | None:
        try:
            found = json.loads(self._call(self._core.read_node, node))
        except ClusterError:
            return None
        # That of the instance on every cloud: https://kubernetes.io/docs/reference/node/node-status/#info
        return found.get("status", {}).get("nodeInfo", {}).get("systemUUID") or None

    def delete_pod(self, name: str, uid: str) -> None:
        options = {"preconditions": {"uid": uid}}
        try:
            self._call(self._core.delete_namespaced_pod, name, self._namespace, body=options)
        except (NotFoundError, _ConflictError):  # it is gone, or another pod has its name
            return

    def events(self, name: str) -> list[str]:
        events = self._items(self._core.list_namespaced_event, field_selector=f"involvedObject.name={name}")
        events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
        return [f"{event.get('reason')}: {event.get('message')}" for event in events]

    def log(self, pod: str, container: str, lines: int) -> str:
        text = self._call(
            self._core.read_namespaced_pod_log, pod, self._namespace, container=container, tail_lines=lines
        )
        return text.decode(errors="replace")

    def execute(self, pod: str, container: str, command: Sequence[str], retry_s: float = RETRY_S) -> str:
        return self._retry([lambda: self._execute(pod, container, command)], retry_s, _POD_UNREACHABLE)

    def session(self, pod: str, container: str, command: Sequence[str]) -> "_Session":
        def once(call: Callable[[], Answer]) -> Answer:
            return self._retry([call], 0.0, _POD_UNREACHABLE)

        running = once(lambda: self._command(pod, container, command, stdin=True))
        return _Session(running, f"pod {pod}, container {container}", once)

    def ask(
        self, pod: str, container: str, command: Sequence[str], request: PodRequest, retry_s: float = RETRY_S
    ) -> str:
        ways = [lambda: self._execute(pod, container, command), lambda: self._request(pod, request)]
        return self._retry(ways[::-1] if self._commands_failed else ways, retry_s, _POD_UNREACHABLE)

    def _request(self, pod: str, request: PodRequest) -> str:
        answer: Any = self._core.connect_get_namespaced_pod_proxy_with_path(
            f"{pod}:{request.port}",
            self._namespace,
            request.path,
            _headers=dict(request.headers),
            _preload_content=False,
            _request_timeout=_TIMEOUTS_S,
        )
        self._commands_failed = True
        return str(answer.data.decode())

    def _execute(self, pod: str, container: str, command: Sequence[str]) -> str:
        running = self._command(pod, container, command, stdin=False)
        try:
            running.run_forever(timeout=_READ_TIMEOUT_S)
            if running.is_open():
                raise TimeoutError(f"a command in pod {pod} took longer than {_READ_TIMEOUT_S:.0f} s")
            output = running.read_channel(STDOUT_CHANNEL)
            _require_success(running, f"pod {pod}, container {container}")
        finally:
            running.close()
        return str(output)

    def _command(self, pod: str, container: str, command: Sequence[str], *, stdin: bool) -> Any:  # noqa: ANN401 - as in `_exit_code`
        return self._start(
            self._command_client().connect_get_namespaced_pod_exec,
            pod,
            self._namespace,
            container=container,
            command=list(command),
            stdin=stdin,
            stdout=True,
            stderr=True,
            tty=False,
            _preload_content=False,
            _headers={"sec-websocket-protocol": _EXEC_PROTOCOL},
        )

    def _start(self, call: Callable[..., Any], *arguments: object, **options: object) -> Any:  # noqa: ANN401 - as in `_exit_code`
        try:
            return stream(call, *arguments, **options)
        except ApiException as error:
            # The client reports an answer to the handshake as text, with its headers.
            answer = _HANDSHAKE.match(error.reason or "")
            if answer is None:
                raise
            reason = f"a command in a pod needs a WebSocket, but the answer was {answer[1]} {answer[2]}"
            raise ApiException(status=int(answer[1]), reason=reason) from None

    def _command_client(self) -> client.CoreV1Api:
        if not hasattr(self._exec, "api"):
            # With its own settings, too: the client writes the kubeconfig's token into them before each call.
            self._exec.api = client.CoreV1Api(client.ApiClient(settings_of(self._access)))
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
        """The API's own bytes: the client's classes drop the fields that they do not know."""

        def once() -> bytes:
            answer = call(*arguments, **options, _preload_content=False, _request_timeout=_TIMEOUTS_S)
            return bytes(answer.data)

        return self._retry([once], self._retry_s)

    def _retry(
        self,
        calls: Sequence[Callable[[], Answer]],
        retry_s: float,
        unreachable: tuple[str, str] = _API_UNREACHABLE,
    ) -> Answer:
        """Repeat them until one succeeds, while the connection is lost or the server is overloaded or starting."""
        began = time.monotonic()
        while True:
            causes, refusals = [], []
            for call in calls:
                try:
                    return call()
                except ApiException as error:
                    # A handshake without an answer has status 0.
                    if 0 < (error.status or 0) < 500 and error.status != _TOO_MANY:
                        refusals.append(error)
                    causes.append(f"{error.status} {message_of(error)}")
                except _CONNECTION_ERRORS as error:
                    # Its type only: its text may hold the request with all headers.
                    causes.append(type(error).__name__)
            if len(refusals) == len(calls):
                raise _cluster_error(refusals) from None
            elapsed_s = time.monotonic() - began
            if elapsed_s > (min(retry_s, _RETRY_WHEN_CANCELLED_S) if self._cancelled.is_set() else retry_s):
                what, fix = unreachable
                lasted = f" for {elapsed_s:.0f} s" if retry_s else ""
                raise ClusterError(f"{what} gave no usable answer{lasted} ({'; '.join(causes)}); {fix}")
            self._on_connection_lost(elapsed_s)
            time.sleep(_RETRY_INTERVAL_S)


class _Session:
    """provider.cluster.api.Session through a WebSocket; `once` turns errors of a call into ClusterError."""

    def __init__(self, running: Any, where: str, once: Callable[[Callable[[], str]], str]) -> None:  # noqa: ANN401 - as in `_exit_code`
        self._running = running
        self._where = where
        self._once = once

    def ask(self, end: str) -> str:
        return self._once(lambda: self._ask(end))

    def _ask(self, end: str) -> str:
        until, printed = time.monotonic() + _READ_TIMEOUT_S, ""
        # To a command that has ended already nothing can be sent, but it says why.
        with contextlib.suppress(*_CONNECTION_ERRORS):
            self._running.write_stdin(b"\n")
        while not printed.endswith(end):
            if not self._running.is_open():
                _require_success(self._running, self._where)
                raise ConnectionError("the command ended before its answer")
            left_s = until - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(f"an answer in {self._where} took longer than {_READ_TIMEOUT_S:.0f} s")
            self._running.update(timeout=left_s)
            printed += self._running.read_channel(STDOUT_CHANNEL)
        # The client keeps all that was ever printed until somebody reads it.
        self._running.read_all()
        return printed

    def close(self) -> None:
        self._running.close()


class _ConflictError(ClusterError):
    """The object exists already."""


def _cluster_error(refusals: Sequence[ApiException]) -> ClusterError:
    status = refusals[-1].status or 0
    kind = {_NOT_FOUND: NotFoundError, _CONFLICT: _ConflictError}.get(status, ClusterError)
    if status == _UNAUTHORIZED:
        return ClusterError("the cluster does not accept the kubeconfig's credentials; log in again")
    return kind(f"the cluster refused: {'; '.join(map(message_of, refusals))}")


def message_of(error: ApiException) -> str:
    """Why the API refused: in its own words, or as HTTP names the status where the answer has none."""
    try:
        return str(json.loads(error.body or "")["message"]).rstrip(".")
    except (ValueError, KeyError, TypeError):
        return str(error.reason)


def _require_success(running: Any, where: str) -> None:  # noqa: ANN401 - as in `_exit_code`
    """Raises ClusterError where a command that has ended failed, and ConnectionError where its exit code is missing."""
    errors = running.read_channel(STDERR_CHANNEL)
    if (code := _exit_code(running)) != 0:
        raise ClusterError(f"a command in {where}, failed ({code}): {errors.strip()}")


def _exit_code(running: Any) -> int:  # noqa: ANN401 - the client leaves its stream without a type
    try:
        return int(running.returncode)
    except (TypeError, KeyError, IndexError, ValueError) as cause:
        # The stream ended without the command's exit code.
        raise ConnectionError("the connection was lost before the command ended") from cause
