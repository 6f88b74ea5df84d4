"""A server on a real socket that answers a request with bytes, or with none."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

type Behaviour = Callable[[socket.socket], None]


class Server:
    """Does with each connection what the next behaviour says; the last one for ever."""

    def __init__(self, *behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self._behaviours = behaviours
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self._socket.getsockname()[1]}"

    @property
    def keys(self) -> list[bytes]:
        """The idempotency key of each request."""
        lines = [line for request in self.requests for line in request.split(b"\r\n")]
        return [line[17:] for line in lines if line.lower().startswith(b"idempotency-key: ")]

    def close(self) -> None:
        """Listen no more."""
        if self._over.is_set():
            return
        self._over.set()
        # Wakes accept(), which closing the socket does not.
        with socket.create_connection(self._socket.getsockname()):
            pass
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        number = 0
        while True:
            connection, _ = self._socket.accept()
            if self._over.is_set():
                connection.close()
                return
            behave = self._behaviours[min(number, len(self._behaviours) - 1)]
            number += 1
            # The other side may go away, or refuse our certificate.
            with suppress(OSError), self._secured(connection) as served:
                if request := _read_request(served):
                    self.requests.append(request)
                behave(served)

    def _secured(self, connection: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(connection, server_side=True) if self._tls else connection


@contextmanager
def serving(*behaviours: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server for as long as the block runs."""
    server = Server(*behaviours, tls=tls)
    try:
        yield server
    finally:
        server.close()


def answers(status: int, body: bytes, *headers: str) -> Behaviour:
    """An answer of HTTP."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return lambda connection: connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)


def resets(connection: socket.socket) -> None:
    """Break the connection off without an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hangs_up(connection: socket.socket) -> None:
    """Close the connection politely without an answer."""


def is_silent(connection: socket.socket) -> None:
    """Say nothing until the other side has had enough."""
    connection.recv(1)


def breaks_off(connection: socket.socket) -> None:
    """Send half an answer."""
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"id": "pi')


def free_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        if not (piece := connection.recv(65_536)):
            return received
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    while len(body) < sum(lengths):
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body
