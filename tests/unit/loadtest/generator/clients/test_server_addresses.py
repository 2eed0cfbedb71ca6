"""The servers' name is looked up before requests are timed, and once for all users."""

import socket
import time
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from loadtest.generator.clients import server_addresses
from loadtest.generator.clients.client import Answer
from loadtest.generator.clients.rest.rest_client import RestClient, rest_clients
from loadtest.generator.clients.server_addresses import ServerAddresses
from loadtest.generator.plan import LoadTestPlan, load_plan
from loadtest.generator.request_bodies import RequestBody
from stacks.load.load_profiles import PROFILES
from tests.unit.loadtest.conftest import ScriptedServer
from tests.unit.loadtest.plans import OUTPUTS

Serve = Callable[[Callable[[Any, int], None]], ScriptedServer]
NAME = "tf-serving-rest.shapebench.svc"


class Resolver:
    """Resolves every name to these addresses, after the first look-ups have failed."""

    def __init__(self, *addresses: str, fails: int = 0, takes_s: float = 0.0) -> None:
        self.addresses = addresses
        self.fails = fails
        self.takes_s = takes_s
        self.asked: list[str] = []

    def __call__(self, name: str, port: int, **_: object) -> list[tuple[Any, ...]]:
        self.asked.append(name)
        time.sleep(self.takes_s)
        if len(self.asked) <= self.fails:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.addresses]


@pytest.fixture
def resolved(monkeypatch: pytest.MonkeyPatch) -> Callable[[Resolver], Resolver]:
    """Has a resolver answer for the generator."""

    def use(resolver: Resolver) -> Resolver:
        names = SimpleNamespace(getaddrinfo=resolver, SOCK_STREAM=socket.SOCK_STREAM)
        monkeypatch.setattr(server_addresses, "socket", names)
        return resolver

    return use


@pytest.fixture
def server(serve: Serve) -> ScriptedServer:
    return serve(lambda exchange, _: exchange.answer())


def users(server: ScriptedServer, count: int = 1) -> list[RestClient]:
    """Users of a schedule for two replicas: each of their requests has a connection of its own."""
    load = load_plan(PROFILES["open"].plan_values)
    url = f"http://{NAME}:{server.server_port}"
    new = rest_clients(LoadTestPlan(load, "rest", url, "resnet", ".", OUTPUTS, replicas=2), [RequestBody(b"{}")])
    return [new() for _ in range(count)]


def errors(answers: list[Answer]) -> list[str | None]:
    return [answer.error for answer in answers]


def test_requests_of_all_users_need_one_look_up(
    server: ScriptedServer, resolved: Callable[[Resolver], Resolver]
) -> None:
    resolver = resolved(Resolver("127.0.0.1"))
    made = users(server, 3)
    assert resolver.asked == [NAME], "before the first request"
    assert errors([user.predict() for _ in range(2) for user in made]) == [None] * 6
    assert resolver.asked == [NAME]
    assert len({seen.connection for seen in server.seen}) == 6, "each request was on a connection of its own"


def test_a_slow_look_up_is_in_the_latency_of_no_request(
    server: ScriptedServer, resolved: Callable[[Resolver], Resolver]
) -> None:
    resolved(Resolver("127.0.0.1", takes_s=0.5))
    [user] = users(server)
    began_s = time.perf_counter()
    assert errors([user.predict() for _ in range(3)]) == [None] * 3
    assert time.perf_counter() - began_s < 0.4


def test_a_server_still_gets_the_name_in_the_host_header(
    serve: Serve, resolved: Callable[[Resolver], Resolver]
) -> None:
    hosts: list[str] = []

    def keep_host(exchange: Any, _: int) -> None:
        hosts.append(exchange.headers["Host"])
        exchange.answer()

    resolved(Resolver("127.0.0.1"))
    server = serve(keep_host)
    [user] = users(server)
    assert errors([user.predict()]) == [None]
    assert hosts == [f"{NAME}:{server.server_port}"]


def test_a_name_that_is_not_resolved_at_first_is_looked_up_again_and_the_rows_say_so(
    server: ScriptedServer, resolved: Callable[[Resolver], Resolver]
) -> None:
    resolver = resolved(Resolver("127.0.0.1", fails=2))
    [user] = users(server)
    assert errors([user.predict() for _ in range(3)]) == ["name_not_resolved", None, None]
    assert len(resolver.asked) == 3


def test_an_address_that_refuses_is_passed_over(
    server: ScriptedServer, resolved: Callable[[Resolver], Resolver]
) -> None:
    """Nobody listens at the second one. As `localhost`, which has two, with a server at one of them."""
    resolved(Resolver("127.0.0.1", "127.0.0.2"))
    [user] = users(server)
    assert errors([user.predict() for _ in range(20)]) == [None] * 20


def test_where_all_addresses_refuse_the_error_is_theirs(
    server: ScriptedServer, resolved: Callable[[Resolver], Resolver]
) -> None:
    resolved(Resolver("127.0.0.3", "127.0.0.2"))
    [user] = users(server)
    assert errors([user.predict()]) == ["connection_refused"]


def test_each_of_several_addresses_is_as_often_the_first(resolved: Callable[[Resolver], Resolver]) -> None:
    resolved(Resolver("10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.1"))
    addresses = ServerAddresses(f"http://{NAME}:8501")
    assert len(addresses.all()) == 3
    first = Counter(addresses.shuffled()[0] for _ in range(600))
    assert min(first.values()) > 120
    assert len(first) == 3
