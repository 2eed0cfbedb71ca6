"""Counts TCP segments, sent and retransmitted, of this process's connections only, not of other programs.

Connections to this machine are left out: on the loopback no segment is lost. If one is retransmitted there, it had to
wait for a core, which the lag of the event loop shows.
"""

import os
import socket
import struct
from _socket import socket as plain_socket
from contextlib import closing, suppress
from ipaddress import IPv6Address, ip_address
from pathlib import Path

_OPEN_FILES = Path("/proc/self/fd")
# `tcpi_total_retrans` and `tcpi_segs_out` of struct tcp_info, both 32 bits (linux/tcp.h; since Linux 4.2).
_RETRANSMITTED_AT, _SENT_AT, _SIZE = 100, 136, 140


class TcpSegments:
    """Sums over all connections that were open at one of the calls of `sample`; `loopback`: also to this machine."""

    def __init__(self, *, loopback: bool = False) -> None:
        self._with_loopback = loopback
        # By the inode of the socket, whose counts only grow: those of a connection that was closed remain.
        self._of_sockets: dict[str, tuple[int, int]] = {}

    def sample(self) -> None:
        if not _OPEN_FILES.is_dir():
            return
        for file in _OPEN_FILES.iterdir():
            # A file may be closed meanwhile, and a socket may be no TCP socket.
            with suppress(OSError, struct.error):
                inode = str(file.readlink())
                if inode.startswith("socket:") and (counts := self._sent_and_retransmitted(int(file.name))):
                    self._of_sockets[inode] = counts

    @property
    def retransmitted_ratio(self) -> float | None:
        """Retransmitted segments by all that were sent; None where none is known."""
        sent = sum(sent for sent, _ in self._of_sockets.values())
        return sum(again for _, again in self._of_sockets.values()) / sent if sent else None

    def _sent_and_retransmitted(self, file: int) -> tuple[int, int] | None:
        """None for what is no connection to another machine."""
        # Not gevent's socket, which would change how the connection blocks.
        with closing(plain_socket(fileno=os.dup(file))) as connection:
            if connection.family not in {socket.AF_INET, socket.AF_INET6}:
                return None
            if not self._with_loopback and _is_loopback(connection.getpeername()[0]):
                return None
            info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _SIZE)
        return struct.unpack_from("=I", info, _SENT_AT)[0], struct.unpack_from("=I", info, _RETRANSMITTED_AT)[0]


def _is_loopback(host: str) -> bool:
    address = ip_address(host)
    # gRPC connects to IPv4 addresses through sockets of IPv6.
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback
