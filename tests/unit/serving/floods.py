"""Many large requests at once, from a process that holds one copy of their body; gRPC's own client holds one for each.

`python -m tests.unit.serving.floods grpc PORT CALLS BYTES` opens a connection for each call to Predict, sends its
message as far as the server's flow control allows (RFC 9113) and waits until the call is answered or its connection
ends; it prints how many were answered. `… rest PORT REQUESTS BYTES` sends all of each body but its last byte, prints
how many it could send, and holds the connections until it is ended.
"""

import socket
import struct
import sys
from concurrent.futures import ThreadPoolExecutor

from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import predict_pb2

_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _END_HEADERS, _ACK = 0x1, 0x4, 0x1
_INITIAL_WINDOW_SIZE = 4
_FRAME_BYTES = 16384
_WAIT_S = 120
_CALL = {
    ":method": "POST",
    ":scheme": "http",
    ":path": "/tensorflow.serving.PredictionService/Predict",
    ":authority": "localhost",
    "te": "trailers",
    "content-type": "application/grpc",
}


class Call:
    """One call on its own connection. `send` returns whether it was answered; `headers` has all of the answer's."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=_WAIT_S)
        self._window = self._stream_window = 65535
        self._initial_window = 65535
        self._ended = False
        self.headers = b""

    def send(self, message: memoryview, share: float = 1.0) -> bool:
        head = b"".join(b"\0%b%b" % (_text(name), _text(value)) for name, value in _CALL.items())
        self._connection.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(_SETTINGS, 0, 0, b"")
            + _frame(_HEADERS, _END_HEADERS, 1, head)
            + _frame(_DATA, 0, 1, b"\0" + struct.pack(">I", len(message)))
        )
        self._took(5)
        sent, last = 0, int(len(message) * share)
        try:
            while sent < last and not self._ended:
                size = min(_FRAME_BYTES, last - sent, self._window, self._stream_window)
                if size <= 0:
                    self._read_frame()
                    continue
                ends = sent + size == len(message)
                self._connection.sendall(_head(size, _DATA, _END_STREAM if ends else 0, 1))
                self._connection.sendall(message[sent : sent + size])
                self._took(size)
                sent += size
            while not self._ended:
                self._read_frame()
        except OSError:
            pass
        self._connection.close()
        return bool(self.headers)

    def _took(self, size: int) -> None:
        self._window -= size
        self._stream_window -= size

    def _read_frame(self) -> None:
        head = self._exactly(9)
        if len(head) < 9:
            self._ended = True
            return
        size, (kind, flags, stream) = int.from_bytes(head[:3], "big"), struct.unpack(">BBI", head[3:])
        body = self._exactly(size)
        if kind == _SETTINGS and not flags & _ACK:
            for name, value in struct.iter_unpack(">HI", body):
                if name == _INITIAL_WINDOW_SIZE:
                    self._stream_window += value - self._initial_window
                    self._initial_window = value
            self._connection.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._connection.sendall(_frame(_PING, _ACK, 0, body))
        elif kind == _WINDOW_UPDATE:
            more = int.from_bytes(body, "big")
            if stream:
                self._stream_window += more
            else:
                self._window += more
        elif kind in {_HEADERS, _RESET, _GOAWAY}:
            self.headers += body if kind == _HEADERS else b""
            self._ended |= kind != _HEADERS or bool(flags & _END_STREAM)

    def _exactly(self, size: int) -> bytes:
        read = b""
        while len(read) < size and (more := self._connection.recv(size - len(read))):
            read += more
        return read


def _text(text: str) -> bytes:
    """As HPACK's literal without Huffman coding (RFC 7541, 5.2)."""
    return bytes([len(text)]) + text.encode()


def _head(size: int, kind: int, flags: int, stream: int) -> bytes:
    return size.to_bytes(3, "big") + struct.pack(">BBI", kind, flags, stream)


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return _head(len(body), kind, flags, stream) + body


def large_message(size: int) -> memoryview:
    """A Predict request whose tensor is not of the model's shape."""
    tensor = tensor_pb2.TensorProto(dtype=1, tensor_shape={"dim": [{"size": size // 4}]})
    tensor.tensor_content = bytes(size // 4 * 4)
    request = predict_pb2.PredictRequest(model_spec={"name": "resnet"}, inputs={"image_input": tensor})
    return memoryview(request.SerializeToString())


def hold(port: int, body: memoryview) -> socket.socket | None:
    """A REST request without its last byte; None if the server refused it before."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=_WAIT_S)
    head = b"POST /v1/models/resnet:predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    try:
        connection.sendall(head)
        connection.sendall(body[:-1])
    except OSError:
        return None
    return connection


def main(protocol: str, port: int, count: int, size: int) -> None:
    with ThreadPoolExecutor(count) as pool:
        if protocol == "grpc":
            message = large_message(size)
            print(sum(pool.map(lambda call: call.send(message), [Call(port) for _ in range(count)])), flush=True)
            return
        held = list(pool.map(hold, [port] * count, [memoryview(b" " * size)] * count))
    print(sum(connection is not None for connection in held), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
