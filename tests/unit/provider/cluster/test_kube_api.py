"""Kubernetes' client as it is used here, against a server that fails as a test says."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import provider.cluster.kube_api
from provider.cluster.api import ClusterError, NotFoundError, PodRequest
from provider.cluster.kube_api import KubeApi
from provider.cluster.kubeconfig import Access, settings_of
from tests.support.kubernetes.scripted_api import SECRET, ScriptedApi, kubeconfig, refusal, scripted_api


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedApi]:
    monkeypatch.setattr(provider.cluster.kube_api, "_RETRY_INTERVAL_S", 0.01)
    with scripted_api() as server:
        yield server


def api(
    server: ScriptedApi, cancelled: threading.Event | None = None, on_connection_lost: Callable[[float], None] = id
) -> KubeApi:
    access = Access(kubeconfig(f"http://127.0.0.1:{server.server_port}"))
    return KubeApi(access, "ns", cancelled or threading.Event(), on_connection_lost)


def test_calls_are_retried_while_the_connection_is_lost_or_the_server_starts(server: ScriptedApi) -> None:
    server.answers = [None, (503, {}), (429, {}), (500, {}), (200, {"items": [{"metadata": {"name": "p"}}]})]
    waited: list[float] = []
    assert api(server, on_connection_lost=waited.append).pods("a=b") == [{"metadata": {"name": "p"}}]
    assert len(waited) == 4
    assert set(server.seen) == {("GET", "/api/v1/namespaces/ns/pods", f"Bearer {SECRET}")}


def test_a_job_whose_creation_was_not_confirmed_is_not_created_twice(server: ScriptedApi) -> None:
    server.answers = [None, refusal(409, "jobs.batch already exists")]
    api(server).create_job({"metadata": {"name": "load-1"}})
    assert [method for method, *_ in server.seen] == ["POST", "POST"]


def test_deleting_a_job_that_is_gone_is_no_error(server: ScriptedApi) -> None:
    server.answers = [refusal(404, "not found")]
    api(server).delete_job("load-1")


def test_a_pod_is_deleted_only_while_it_is_the_one_that_was_meant(server: ScriptedApi) -> None:
    server.answers = [(200, {}), refusal(404, "not found"), refusal(409, "the UID in the precondition does not match")]
    for _ in range(3):
        api(server).delete_pod("tf-serving-0", "uid-0")
    assert {(method, path) for method, path, _ in server.seen} == {
        ("DELETE", "/api/v1/namespaces/ns/pods/tf-serving-0")
    }
    assert [json.loads(body) for body in server.bodies] == [{"preconditions": {"uid": "uid-0"}}] * 3


def test_the_machine_of_a_node_is_known_where_nodes_may_be_read(server: ScriptedApi) -> None:
    server.answers = [
        (200, {"status": {"nodeInfo": {"systemUUID": "8a3c"}}}),
        (200, {"status": {"nodeInfo": {"systemUUID": ""}}}),
        (200, {}),
        refusal(403, "nodes is forbidden"),
        refusal(404, "not found"),
    ]
    assert [api(server).machine_of("n") for _ in range(5)] == ["8a3c", None, None, None, None]
    assert {(method, path) for method, path, _ in server.seen} == {("GET", "/api/v1/nodes/n")}


def test_a_missing_object_and_a_refused_call_are_different_errors(server: ScriptedApi) -> None:
    server.answers = [refusal(404, 'pods "p" not found'), refusal(403, "pods is forbidden"), refusal(401, "no")]
    with pytest.raises(NotFoundError, match='pods "p" not found'):
        api(server).log("p", "c", 1)
    with pytest.raises(ClusterError, match="the cluster refused: pods is forbidden"):
        api(server).pods("")
    with pytest.raises(ClusterError, match="does not accept the kubeconfig's credentials; log in again"):
        api(server).pods("")


def test_a_cancelled_update_retries_for_a_short_time_only(server: ScriptedApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider.cluster.kube_api, "_RETRY_WHEN_CANCELLED_S", 0.05)
    cancelled = threading.Event()
    cancelled.set()
    server.answers = [None] * 1000
    fix = "check this machine's network and `kubectl cluster-info`, and run the command again when the cluster answers"
    with pytest.raises(ClusterError, match=f"the cluster's API gave no usable answer for 0 s .*; {fix}$") as failure:
        api(server, cancelled).pods("")
    assert SECRET not in str(failure.value)


REQUEST = PodRequest(8502, "read/locust-0.csv/0/10", {"X-Token": "t"})
EXEC, PROXY = "/api/v1/namespaces/ns/pods/p/exec", "/api/v1/namespaces/ns/pods/p:8502/proxy/read/locust-0.csv/0/10"


def ask(api: KubeApi, retry_s: float = 60) -> str:
    return api.ask("p", "c", ["read"], REQUEST, retry_s)


@pytest.mark.parametrize("refused", [(403, {}), (400, {}), (404, {}), (426, {}), (200, {}), (501, {}), (502, {}), None])
def test_what_no_command_gets_a_request_to_the_pod_gets_at_once_and_is_sent_first_from_then_on(
    server: ScriptedApi, refused: tuple[int, Any] | None
) -> None:
    server.answers = [refused, (200, "rows"), (200, "more")]
    waited: list[float] = []
    through = api(server, on_connection_lost=waited.append)
    assert [ask(through), ask(through)] == ['"rows"', '"more"']
    assert [path for _, path, _ in server.seen] == [EXEC, PROXY, PROXY]
    assert server.tokens == [None, "t", "t"]
    assert {authorization for *_, authorization in server.seen} == {f"Bearer {SECRET}"}
    assert waited == []


def test_both_ways_are_tried_again_while_either_may_come_back(server: ScriptedApi) -> None:
    unreachable = refusal(503, "error trying to reach service: dial tcp 10.0.0.1:8502: i/o timeout")
    server.answers = [(403, {}), unreachable, (403, {}), (200, "rows")]
    assert ask(api(server)) == '"rows"'
    server.answers = [(500, {}), refusal(400, "address not allowed"), (500, {}), (200, "rows")]
    assert ask(api(server)) == '"rows"'


def test_two_refusals_are_one_error_with_both_reasons(server: ScriptedApi) -> None:
    server.answers = [(403, {}), refusal(400, "address not allowed")]
    with pytest.raises(
        ClusterError,
        match=r"refused: a command in a pod needs a WebSocket, but the answer was 403 Forbidden; address not allowed$",
    ):
        ask(api(server))
    server.answers = [(404, {}), refusal(404, 'pods "p" not found')]
    with pytest.raises(NotFoundError, match='pods "p" not found'):
        ask(api(server))


def test_an_error_without_end_says_why_of_both_ways_and_shows_no_header(server: ScriptedApi) -> None:
    server.answers = [(403, {}), refusal(503, "error trying to reach service")]
    with pytest.raises(ClusterError) as failure:
        ask(api(server), retry_s=0)
    assert str(failure.value).startswith("the pod gave no usable answer (403 a command in a pod needs")
    assert str(failure.value).endswith(
        "; check that its node is ready (`kubectl get nodes`), and run the command again"
    )
    assert "but the answer was 403 Forbidden; 503 error trying to reach service)" in str(failure.value)
    assert "Content-Length" not in str(failure.value)
    assert SECRET not in str(failure.value)


def test_a_command_that_is_refused_is_an_error_at_once(server: ScriptedApi) -> None:
    server.answers = [(403, {})]
    with pytest.raises(ClusterError, match="needs a WebSocket, but the answer was 403 Forbidden"):
        api(server).execute("p", "c", ["sh"])


# The first byte of a frame of a command is its channel, as in kubernetes/stream/ws_client.py.
STDOUT, STDERR, STATUS = b"\x01", b"\x02", b"\x03"
FAILED = b'{"status": "Failure", "details": {"causes": [{"reason": "ExitCode", "message": "127"}]}}'


@contextmanager
def commands(*answers: list[bytes]) -> Iterator[tuple[KubeApi, list[str]]]:
    """An API with a command that sends the frames of the next answer for each line, and ends after the last answer.

    Also yields the lines that it got.
    """
    lines: list[str] = []

    async def run(request: web.Request) -> web.WebSocketResponse:
        assert (request.query["stdin"].lower(), request.query["command"]) == ("true", "sh")
        socket = web.WebSocketResponse(protocols=["v4.channel.k8s.io"])
        await socket.prepare(request)
        for answer in answers:
            lines.append((await socket.receive_bytes()).decode())
            for frame in answer:
                await socket.send_bytes(frame)
        return socket

    application = web.Application()
    application.router.add_get(EXEC, run)
    runner, loop = web.AppRunner(application), asyncio.new_event_loop()
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    access = Access(kubeconfig(f"http://127.0.0.1:{runner.addresses[0][1]}"))
    try:
        yield KubeApi(access, "ns", threading.Event(), id), lines
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(runner.cleanup())


def test_one_command_answers_many_questions_and_each_answer_is_whole() -> None:
    answers = [STDOUT + b"one\n== e", STDOUT + b"nd\n"], [STDERR + b"late\n", STDOUT + b"two\n== end\n"]
    with commands(*answers) as (through, lines):
        session = through.session("p", "c", ["sh"])
        assert [session.ask("== end\n"), session.ask("== end\n")] == ["one\n== end\n", "two\n== end\n"]
        session.close()
    assert lines == ["\x00\n"] * 2, "on the channel of the input"


def test_a_command_that_ends_without_its_answer_is_an_error_with_its_reason() -> None:
    said = r"a command in pod p, container c, failed \(127\): sh: not found$"
    with (
        commands([STDERR + b"sh: not found\n", STATUS + FAILED]) as (through, _),
        pytest.raises(ClusterError, match=said),
    ):
        through.session("p", "c", ["sh"]).ask("== end\n")


def test_a_lost_connection_is_an_error_at_once_and_a_question_is_not_asked_again() -> None:
    with commands([STDOUT + b"half"]) as (through, lines):
        with pytest.raises(ClusterError, match="the pod gave no usable answer"):
            through.session("p", "c", ["sh"]).ask("== end\n")
        assert len(lines) == 1


def test_a_session_that_is_refused_is_an_error_at_once(server: ScriptedApi) -> None:
    server.answers = [(403, {})]
    with pytest.raises(ClusterError, match="needs a WebSocket, but the answer was 403 Forbidden"):
        api(server).session("p", "c", ["sh"])


def test_a_request_does_not_show_its_headers() -> None:
    assert "X-Token" not in repr(REQUEST)


def test_commands_use_the_trust_store_of_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client's own list has Google's authority, but not that of a company's proxy."""
    authorities = tmp_path / "company.crt"
    authorities.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(authorities))
    settings = settings_of(Access(kubeconfig("https://c")))
    for _ in range(2):
        settings.get_api_key_with_prefix("BearerToken")  # as before each call
    assert settings.ssl_ca_cert == str(authorities)


@pytest.mark.parametrize(
    "text",
    [
        f"token: {SECRET}",
        f"{{{SECRET}",
        SECRET,
        "",
        kubeconfig("https://c").replace('"current-context": "x"', '"current-context": "y"'),
        kubeconfig("https://c").replace('"token"', '"tokenFile"'),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_not_quoted(text: str) -> None:
    with pytest.raises(
        ClusterError, match="the stack's kubeconfig cannot be read, so the cluster cannot be reached: it is invalid"
    ) as failure:
        KubeApi(Access(text), "ns", threading.Event(), id)
    assert SECRET not in str(failure.value)
    assert failure.value.__suppress_context__


def test_without_a_kubeconfig_of_the_user_the_error_says_where_one_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    with pytest.raises(ClusterError) as error:
        settings_of(Access(context="mine"))
    said = str(error.value)
    assert "there is none (~/.kube/config, or the file that KUBECONFIG names)" in said
    assert "its context 'mine'" in said
    assert "`kubectl cluster-info --context mine`" in said


def test_an_access_does_not_show_its_kubeconfig() -> None:
    assert SECRET not in repr(Access(kubeconfig("https://c")))
