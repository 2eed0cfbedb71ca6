"""A proxy in front of a server, behind which one byte of one answer is wrong, over REST as over gRPC."""

import itertools
import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer

_MOST_BYTES = 2**16


@contextmanager
def wrong_byte(server: str, ports: Sequence[int], word: re.Pattern[bytes], number: int, at: str) -> Iterator[None]:
    """Listen on the address `at`, and pass on all that goes to these ports of the server, and back.

    Of the answers with this word, that with this number, from 1 on, has another last byte in the first such word.
    """
    numbers = itertools.count(1)

    def change(answer: bytes) -> bytes:
        found = word.search(answer)
        if found is None or next(numbers) != number:
            return answer
        return answer[: found.end() - 1] + b"?" + answer[found.end() :]

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection((server, self.server.server_address[1])) as behind:
                asking = threading.Thread(target=_pass_on, args=(self.request, behind), daemon=True)
                asking.start()
                _pass_on(behind, self.request, change)

    with ExitStack() as listening:
        for port in ports:
            proxy = listening.enter_context(ThreadingTCPServer((at, port), Handler))
            proxy.daemon_threads = True
            threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
            listening.callback(proxy.shutdown)
        yield


def _pass_on(source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes] = bytes) -> None:
    """Until the source ends; what has been received at once is an answer, as answers are short."""
    try:
        while content := source.recv(_MOST_BYTES):
            sink.sendall(change(content))
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one of both has hung up
