"""A restart of the server during a test is noticed."""

import os
import socket

from provider.resources.listener import listener, reasons_against_listener
from provider.resources.server_process import ProcessIdentity


def test_the_process_that_listens_is_known_by_its_port() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        me = ProcessIdentity.of(os.getpid())
        assert listener(f"http://{address}") == listener(address) == me
    assert listener(f"http://{address}") is None


def test_another_process_on_the_same_port_is_a_restart() -> None:
    before, after = ProcessIdentity(7, "boot:100"), ProcessIdentity(7, "boot:200")
    (reason,) = reasons_against_listener(before, after)
    assert reason.startswith("the server restarted during the test")
    assert reasons_against_listener(before, before) == ()


def test_what_cannot_be_seen_is_no_reason() -> None:
    assert reasons_against_listener(None, ProcessIdentity(7, "boot:100")) == ()
    assert reasons_against_listener(ProcessIdentity(7, "boot:100"), None) == ()
