"""Whether Pulumi's Google provider would wait for an answer: only then is the stack refused, within seconds."""

import errno
import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from components.gke import reach
from components.gke.reach import REFUSING_PROXY, why_google_is_out_of_reach


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower() == "https_proxy" or name.endswith("_CUSTOM_ENDPOINT"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(reach, "_LIMIT_S", 0.3)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The addresses that were tried; nothing answers."""
    addresses: list[tuple[str, int]] = []

    def refuse(address: tuple[str, int], timeout: float) -> None:
        addresses.append(address)
        raise TimeoutError(timeout)

    monkeypatch.setattr(socket, "create_connection", refuse)
    return addresses


def fails_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def connect(address: tuple[str, int], timeout: float) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", connect)


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    "error",
    [
        # What Go calls temporary or a time-out, and the provider repeats.
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
        TimeoutError(),
    ],
    ids=repr,
)
def test_what_the_provider_would_repeat_is_refused_with_the_reason_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception
):
    fails_with(monkeypatch, error)
    message = why_google_is_out_of_reach({"gcp:zone": "us-central1-a"})
    assert message is not None
    assert "openidconnect.googleapis.com does not answer within 0.3 s, so this machine seems to be offline" in message
    assert "repeat that for five minutes or more before each preview and update; connect to the internet" in message
    assert f"set {REFUSING_PROXY} for it" in message


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        OSError(errno.ENETUNREACH, "Network is unreachable"),
        socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    ],
    ids=repr,
)
def test_what_ends_at_once_and_for_good_is_not_refused(monkeypatch: pytest.MonkeyPatch, error: Exception):
    fails_with(monkeypatch, error)
    assert why_google_is_out_of_reach({}) is None


def test_a_look_up_that_never_ends_does_not_hold_up_the_program(monkeypatch: pytest.MonkeyPatch):
    released = threading.Event()

    def connect(address: tuple[str, int], timeout: float) -> None:
        released.wait(60)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", connect)
    began = time.monotonic()
    assert why_google_is_out_of_reach({}) is not None
    assert time.monotonic() - began < 30
    released.set()


def test_without_a_proxy_either_of_two_names_is_enough(tried: list[tuple[str, int]]):
    assert why_google_is_out_of_reach({})
    assert set(tried) == {("openidconnect.googleapis.com", 443), ("compute.googleapis.com", 443)}


@pytest.mark.parametrize(
    ("proxy", "address"),
    [
        ("http://proxy.example:3128", ("proxy.example", 3128)),
        ("proxy.example:3128", ("proxy.example", 3128)),
        ("http://user:word@proxy.example", ("proxy.example", 80)),
        ("https://proxy.example", ("proxy.example", 443)),
    ],
)
def test_with_a_proxy_only_the_proxy_has_to_be_reached(
    tried: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch, proxy: str, address: tuple[str, int]
):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert why_google_is_out_of_reach({})
    assert tried == [address]


def test_a_proxy_that_listens_is_enough(monkeypatch: pytest.MonkeyPatch, listening: int):
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listening}")
    assert why_google_is_out_of_reach({}) is None


def test_the_proxy_of_the_message_refuses_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(*REFUSING_PROXY.split("=", 1))
    assert why_google_is_out_of_reach({}) is None


def test_a_stack_with_endpoints_of_its_own_is_not_asked_to_reach_google(tried: list[tuple[str, int]]):
    assert why_google_is_out_of_reach({"gcp:computeCustomEndpoint": "http://127.0.0.1:1/compute/"}) is None
    assert tried == []
