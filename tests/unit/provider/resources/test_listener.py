"""A restart of the server during a test is noticed."""

import os
import socket

from loadtest.result.validity.servers import NO_SERVERS, server_change_reasons
from provider.resources.listener import listener, servers
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
    before, after = ProcessIdentity(7, "boot:100"), ProcessIdentity(8, "boot:200")
    assert server_change_reasons(servers(before, after)) == (
        "server process 7 was replaced during the test by process 8",
    )
    assert len(server_change_reasons(servers(before, ProcessIdentity(7, "boot:200")))) == 1, "the pid was given again"
    assert server_change_reasons(servers(before, before)) == ()


def test_what_cannot_be_seen_is_no_reason() -> None:
    assert servers(None, ProcessIdentity(7, "boot:100")) is NO_SERVERS
    assert servers(ProcessIdentity(7, "boot:100"), None) is NO_SERVERS
    assert server_change_reasons(NO_SERVERS) == ()
