"""Read from the kernel, for real connections of this process."""

import errno
import socket
import time
from collections.abc import Iterator

import pytest

from loadtest.generator.monitoring.tcp_segments import TcpSegments


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener


def sent(segments: TcpSegments) -> int:
    return sum(sent for sent, _ in segments._of_sockets.values())


def test_segments_of_a_connection_are_counted_and_remain_when_it_is_closed(listener: socket.socket):
    listener.listen()
    segments = TcpSegments(loopback=True)
    segments.sample()
    before = sent(segments)
    with socket.create_connection(listener.getsockname()) as client, listener.accept()[0] as server:
        for _ in range(50):
            client.sendall(b"x")
            assert server.recv(1) == b"x"
        segments.sample()
        counted = sent(segments)
    assert 50 <= counted - before <= 250, "at least one for each byte, and acknowledgements"
    segments.sample()
    assert sent(segments) >= counted
    assert segments.retransmitted_ratio is not None


def test_a_segment_that_nobody_acknowledges_is_sent_again_and_counted(listener: socket.socket):
    """A full queue of a listener lets the kernel drop requests to connect."""
    listener.listen(0)
    first = socket.create_connection(listener.getsockname())
    waiting = [socket.socket() for _ in range(3)]
    try:
        for connection in waiting:
            connection.settimeout(0)
            assert connection.connect_ex(listener.getsockname()) in (0, errno.EINPROGRESS)
        time.sleep(1.5)  # the kernel tries again after one second
        segments = TcpSegments(loopback=True)
        segments.sample()
        assert sum(again for _, again in segments._of_sockets.values()) >= 1
        assert (segments.retransmitted_ratio or 0) > 0
    finally:
        for connection in (first, *waiting):
            connection.close()


def test_reading_leaves_a_socket_as_it_is(listener: socket.socket):
    listener.listen()
    with socket.create_connection(listener.getsockname(), timeout=5) as client:
        TcpSegments(loopback=True).sample()
        assert client.gettimeout() == 5
        assert client.fileno() >= 0
        client.sendall(b"still open")


def test_a_process_without_connections_knows_no_ratio():
    assert TcpSegments(loopback=True).retransmitted_ratio is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_connections_to_this_machine_are_left_out(listener: socket.socket, host: str):
    listener.listen()
    segments = TcpSegments()
    with socket.create_connection((host, listener.getsockname()[1])) as client, listener.accept()[0]:
        client.sendall(b"x")
        segments.sample()
    assert segments.retransmitted_ratio is None


def test_sockets_of_other_kinds_are_left_out():
    segments = TcpSegments()
    one, other = socket.socketpair()
    with one, other, socket.socket(socket.AF_INET, socket.SOCK_DGRAM):
        segments.sample()
    assert segments.retransmitted_ratio is None
