"""Requests, answers, and a WSGI server whose application can hang up."""

import json
import os
import select
import socket
import socketserver
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from tests.peers.store import Json

REASONS = {
    200: "OK",
    303: "See Other",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    404: "Not Found",
    409: "Conflict",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
}

CONNECTION = "peers.connection"
"""Where the environment holds the caller's socket."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    @classmethod
    def of(cls, status: int, body: Any, headers: Mapping[str, str] | None = None) -> "Answer":
        """An answer in JSON, written as the gateways write it: compact, not escaped."""
        text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
        return cls(status=status, body=text.encode(), headers=headers or {})

    def json(self) -> Any:
        """What it says."""
        return json.loads(self.body)


class Request:
    """One call, its body not read before it is asked for."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ
        self._body: bytes | None = None
        self.method: str = environ["REQUEST_METHOD"]
        self.path: str = environ["PATH_INFO"]
        self.query: str = environ.get("QUERY_STRING", "")

    @property
    def body(self) -> bytes:
        """The raw body."""
        if self._body is None:
            length = int(self._environ.get("CONTENT_LENGTH") or 0)
            self._body = self._environ["wsgi.input"].read(length) if length else b""
        return self._body

    @property
    def content_type(self) -> str:
        """Of the body, without parameters."""
        return str(self._environ.get("CONTENT_TYPE", "")).partition(";")[0].strip()

    @property
    def connection(self) -> socket.socket | None:
        """The caller's socket; ``None`` when called without a server."""
        return self._environ.get(CONNECTION)

    @property
    def base(self) -> str:
        """The address the caller used."""
        host = self._environ.get("HTTP_HOST", "127.0.0.1")
        return f"http://{host}"

    def header(self, name: str) -> str:
        """A header, empty when it was not sent."""
        return str(self._environ.get("HTTP_" + name.upper().replace("-", "_"), ""))

    def json(self) -> Json:
        """The body as JSON; empty when there is none."""
        return dict(json.loads(self.body)) if self.body else {}

    def form(self) -> dict[str, str]:
        """The body as a plain form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


class HungUp(ConnectionAbortedError):
    """The peer ended the connection; ``wsgiref`` takes this kind of error silently."""


def hang_up(connection: socket.socket | None, partial: bytes = b"") -> None:
    """Reset the connection, after ``partial``.

    Raises:
        HungUp: Always: there is nothing more to say.
    """
    if connection is not None:
        with suppress(OSError):  # the caller may be faster
            if partial:
                connection.sendall(partial)
            # No linger: the caller sees a reset, not an orderly end. The streams over the socket
            # hold it open, so its descriptor is closed under them.
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            os.close(connection.detach())
    raise HungUp


def hold(connection: socket.socket | None, seconds: float) -> None:
    """Say nothing for so long, or until the caller hangs up."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if connection is None:
            time.sleep(left)
            return
        ready, _, _ = select.select([connection], [], [], min(left, 1.0))
        if ready and not connection.recv(1, socket.MSG_PEEK):
            return
        if ready:
            time.sleep(min(left, 0.05))  # bytes we do not want to read


type Application = Callable[[Request], Answer]


class Wsgi:
    """A function from request to answer as a WSGI application."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def __call__(
        self, environ: Mapping[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        answer = self._application(Request(environ))
        start_response(
            f"{answer.status} {REASONS.get(answer.status, 'Unknown')}",
            [
                ("Content-Type", answer.content_type),
                ("Content-Length", str(len(answer.body))),
                *answer.headers.items(),
            ],
        )
        return [answer.body]


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each connection, on loopback."""

    daemon_threads = True
    request_queue_size = 256

    def server_bind(self) -> None:
        # The one of http.server looks its own name up, which may take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()


class Handler(WSGIRequestHandler):
    """Gives the application the socket, and keeps no log."""

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get_environ(self) -> dict[str, Any]:
        return {**super().get_environ(), CONNECTION: self.connection}

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Not a word: the calls are in ``/_peer/calls``."""


def serve(application: Application, port: int) -> Server:
    """A bound server, not yet serving. Port 0 takes any free one."""
    server = Server(("127.0.0.1", port), Handler)
    server.set_app(Wsgi(application))
    return server
