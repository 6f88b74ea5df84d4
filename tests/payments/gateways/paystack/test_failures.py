"""PaystackGateway over real sockets: what was certainly not executed, and what perhaps was"""

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from legato_payments.lib import http
from payments.gateways import base
from payments.gateways.paystack.client import Client
from payments.gateways.paystack.gateway import PaystackGateway
from payments.gateways.values import ChargeState
from tests.factories import NOW
from tests.payments.gateways.paystack.rows import KEY, PAGE, REFERENCE, charge, transaction

type Behaviour = Callable[[socket.socket], None]

OPENED = {"authorization_url": PAGE, "reference": REFERENCE}


class Peer:
    """A server that reads one request per connection and does next what it was told to."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.behaviours: list[Behaviour] = []
        self.heard: list[bytes] = []
        self.wake = threading.Event()
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server.getsockname()[1]}"

    def silent(self, connection: socket.socket) -> None:
        """Never answer."""
        self.wake.wait(10)

    def close(self) -> None:
        self.wake.set()
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self.thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            with closing(connection):
                self.heard.append(_read_request(connection))
                self.behaviours.pop(0)(connection)


def _read_request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    lengths = [
        int(line.split(b":")[1])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    ]
    while lengths and len(body) < lengths[0]:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def sends(status: int, body: Any, *, headers: str = "") -> Behaviour:
    """Answer, with JSON unless given bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def behave(connection: socket.socket) -> None:
        head = f"HTTP/1.1 {status} Said\r\n{headers}Content-Length: {len(content)}\r\n"
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode() + content)

    return behave


def refuses(status: int, message: str = "No", **members: Any) -> Behaviour:
    return sends(status, {"status": False, "message": message, **members})


def resets(connection: socket.socket) -> None:
    """Drop the connection with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def closes(connection: socket.socket) -> None:
    """Close it without a word."""


def cuts(connection: socket.socket) -> None:
    """Stop in the middle of an answer that would have been a success."""
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"status": true, "data": {}')


@pytest.fixture
def peer(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    """Paystack's address is ours, and nobody waits for it for long."""
    made = Peer()
    settings.PAYSTACK_API_BASE = made.address
    monkeypatch.setattr(http, "READ_SECONDS", 0.3)
    yield made
    made.close()


def pay(gateway: PaystackGateway) -> ChargeState:
    return gateway.create_charge(charge(), key="key-1", now=NOW)


PERHAPS: dict[str, Behaviour] = {
    "reset": resets,
    "closed": closes,
    "cut": cuts,
    "500": refuses(500),
    "502 page": sends(502, b"<html>Bad gateway</html>"),
    "503 empty": sends(503, b""),
    "504": refuses(504, code="unknown"),
    "408": refuses(408),
    "409": refuses(409),
    "302": sends(302, b"", headers="Location: /elsewhere\r\n"),
    "400 page": sends(400, b"<html>Bad request</html>"),
    "404 page": sends(404, b"nginx"),
    "422 list": sends(422, []),
    "garbage": sends(200, b"\x00\xff garbage"),
    "half JSON": sends(200, b'{"status": true, "data": {"authorization_'),
    "deep JSON": sends(200, b"[" * 200_000),
    "a list": sends(200, [OPENED]),
    "a word": sends(200, "OK"),
    "empty": sends(200, b""),
    "no data": sends(200, {"status": True, "message": "Done"}),
    "no status": sends(200, {"data": OPENED}),
    "no Gzip": sends(200, b"plain", headers="Content-Encoding: gzip\r\n"),
}


@pytest.mark.parametrize("behaviour", PERHAPS.values(), ids=PERHAPS.keys())
def test_does_not_know_and_never_asks_twice(
    behaviour: Behaviour, peer: Peer, gateway: PaystackGateway
) -> None:
    peer.behaviours = [behaviour]

    with pytest.raises(base.Ambiguous):
        pay(gateway)

    assert len(peer.heard) == 1
    assert peer.heard[0].startswith(b"POST /transaction/initialize ")


def test_does_not_know_after_silence(peer: Peer, gateway: PaystackGateway) -> None:
    peer.behaviours = [peer.silent]

    with pytest.raises(base.Ambiguous) as error:
        pay(gateway)

    assert error.value.code == "timeout"
    assert len(peer.heard) == 1


REFUSED: dict[str, tuple[Behaviour, type[base.GatewayError]]] = {
    "400": (refuses(400, code="invalid_params"), base.InvalidRequest),
    "400 bare": (refuses(400), base.InvalidRequest),
    "404": (refuses(404), base.InvalidRequest),
    "422": (refuses(422), base.InvalidRequest),
    "200 with status false": (refuses(200, code="unknown"), base.InvalidRequest),
    "400 duplicate": (refuses(400, code="duplicate_reference"), base.DuplicateReference),
    "400 duplicate in words": (
        refuses(400, "Duplicate Transaction Reference"),
        base.DuplicateReference,
    ),
    "400 invalid key": (refuses(400, "Invalid key"), base.AuthenticationFailed),
    "401": (refuses(401, "Invalid key"), base.AuthenticationFailed),
    "401 page": (sends(401, b"<html>"), base.AuthenticationFailed),
    "403": (refuses(403), base.AuthenticationFailed),
    "403 page": (sends(403, b"<html>"), base.AuthenticationFailed),
    "429": (refuses(429), base.RateLimited),
    "429 page": (sends(429, b"slow down"), base.RateLimited),
}


@pytest.mark.parametrize(("behaviour", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_knows_what_was_not_executed(
    behaviour: Behaviour,
    expected: type[base.GatewayError],
    peer: Peer,
    gateway: PaystackGateway,
) -> None:
    peer.behaviours = [behaviour]

    with pytest.raises(base.GatewayError) as error:
        pay(gateway)

    assert isinstance(error.value, expected)
    assert error.value.gateway == "PAYSTACK"
    assert len(peer.heard) == 1


def test_was_certainly_not_executed_when_refused_by_the_host(
    settings: Any, gateway: PaystackGateway
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    settings.PAYSTACK_API_BASE = f"http://127.0.0.1:{port}"

    with pytest.raises(base.Unavailable) as error:
        pay(gateway)

    assert error.value.code == "connection"


def test_was_certainly_not_executed_when_there_is_no_such_host(
    settings: Any, gateway: PaystackGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    settings.PAYSTACK_API_BASE = "https://api.paystack.invalid"

    with pytest.raises(base.Unavailable):
        pay(gateway)


def test_was_certainly_not_executed_when_nobody_takes_the_connection(
    settings: Any, gateway: PaystackGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CONNECT_SECONDS", 0.2)
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        # Nobody accepts: with its queue full, the kernel leaves further callers waiting.
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(server.getsockname())
        settings.PAYSTACK_API_BASE = f"http://127.0.0.1:{server.getsockname()[1]}"

        with pytest.raises(base.Unavailable) as error:
            pay(gateway)

    assert error.value.code == "timeout"


@pytest.mark.parametrize(
    "name", ["reset", "closed", "cut", "500", "502 page", "garbage", "half JSON", "no data"]
)
def test_reads_once_more_when_an_answer_broke(
    name: str, peer: Peer, gateway: PaystackGateway
) -> None:
    paid = sends(200, {"status": True, "message": "Done", "data": transaction()})
    peer.behaviours = [PERHAPS[name], paid]

    state = gateway.get_charge(reference=REFERENCE)

    assert state is not None
    assert state.payment_id == "4099260516"
    assert len(peer.heard) == 2


def test_reads_no_third_time(peer: Peer, gateway: PaystackGateway) -> None:
    peer.behaviours = [resets, resets]

    with pytest.raises(base.Ambiguous):
        gateway.get_charge(reference=REFERENCE)

    assert len(peer.heard) == 2


def test_does_not_read_again_after_silence(peer: Peer, gateway: PaystackGateway) -> None:
    peer.behaviours = [peer.silent]

    with pytest.raises(base.Ambiguous):
        gateway.get_charge(reference=REFERENCE)

    assert len(peer.heard) == 1


@pytest.mark.parametrize("name", ["401", "403", "429", "422"])
def test_does_not_read_again_what_was_refused(
    name: str, peer: Peer, gateway: PaystackGateway
) -> None:
    behaviour, expected = REFUSED[name]
    peer.behaviours = [behaviour]

    with pytest.raises(expected):
        gateway.get_charge(reference=REFERENCE)

    assert len(peer.heard) == 1


@pytest.mark.parametrize("name", ["404 page", "400 page", "302"])
def test_takes_no_strangers_page_for_absence(
    name: str, peer: Peer, gateway: PaystackGateway
) -> None:
    peer.behaviours = [PERHAPS[name], PERHAPS[name]]

    with pytest.raises(base.Ambiguous):
        gateway.get_charge(reference=REFERENCE)


def test_shows_its_key_in_one_header_and_in_no_error(peer: Peer, gateway: PaystackGateway) -> None:
    peer.behaviours = [refuses(400, "x" * 5_000, code="unknown")]

    with pytest.raises(base.InvalidRequest) as error:
        pay(gateway)

    assert peer.heard[0].count(KEY.encode()) == 1
    assert f"\r\nAuthorization: Bearer {KEY}\r\n".encode() in peer.heard[0]
    assert KEY not in str(error.value)
    assert len(str(error.value)) == 200


def test_uploads_to_paystacks_own_host(peer: Peer) -> None:
    peer.behaviours = [sends(200, b"")]

    Client().upload(f"{peer.address}/uploads/1", b"a document")

    assert peer.heard[0].startswith(b"PUT /uploads/1 ")
    assert peer.heard[0].endswith(b"\r\n\r\na document")
    assert KEY.encode() not in peer.heard[0]


def test_keeps_the_number_of_the_request(peer: Peer, gateway: PaystackGateway) -> None:
    body = {"status": False, "message": "No"}
    peer.behaviours = [sends(400, body, headers="X-Request-Id: req-1\r\n")]

    with pytest.raises(base.InvalidRequest) as error:
        pay(gateway)

    assert error.value.request_id == "req-1"
