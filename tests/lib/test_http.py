"""The one way out: requests that cannot hang, be led elsewhere, or be fed without end."""

import gzip
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from requests_hardened.ip_filter import InvalidIPAddress
from structlog.contextvars import bound_contextvars
from structlog.testing import capture_logs

from legato_payments.lib import http


class Peer(BaseHTTPRequestHandler):
    """A host that answers by path, and remembers what it was asked."""

    seen: list[dict[str, str]]
    wake: threading.Event

    def do_GET(self) -> None:
        self.seen.append(dict(self.headers))
        if self.path.startswith("/redirect"):
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.end_headers()
        elif self.path.startswith("/hang"):
            self.wake.wait(10)
        elif self.path.startswith("/drip"):
            self.send_response(200)
            self.end_headers()
            while not self.wake.wait(0.02):
                self.wfile.write(b".")
        elif self.path.startswith("/cut"):
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half")
        elif self.path.startswith("/bomb"):
            size = int(self.path.rpartition("/")[2])
            self._send(gzip.compress(b"x" * size), {"Content-Encoding": "gzip"})
        else:
            self._send(b'{"ok": true}', {"Content-Type": "application/json"})

    def _send(self, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Be quiet."""


@pytest.fixture
def peer() -> Iterator[str]:
    """The address of a host that we know."""
    Peer.seen, Peer.wake = [], threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Peer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    Peer.wake.set()
    server.shutdown()
    server.server_close()
    thread.join()


class Recorder(HTTPAdapter):
    """Answers nothing and keeps how it was asked."""

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        self.kwargs = kwargs
        raise requests.ConnectionError


class TestSession:
    def test_reads_an_answer(self, peer: str) -> None:
        response = http.session().get(f"{peer}/balance")

        assert response.json() == {"ok": True}
        assert response.content == b'{"ok": true}'

    def test_follows_no_redirect(self, peer: str) -> None:
        response = http.session().get(f"{peer}/redirect", allow_redirects=True)

        assert response.status_code == 302
        assert len(Peer.seen) == 1

    def test_gives_up_on_a_silent_host(self, peer: str) -> None:
        with pytest.raises(requests.ReadTimeout):
            http.session().get(f"{peer}/hang", timeout=(1, 0.1))

    def test_has_time_outs_when_nobody_says_so(self) -> None:
        session, recorder = http.session(), Recorder()
        session.mount("https://", recorder)

        with pytest.raises(requests.ConnectionError):
            session.get("https://gateway.example/")

        assert recorder.kwargs["timeout"] == (3.05, 20.0)
        assert recorder.kwargs["verify"]

    def test_repeats_nothing(self) -> None:
        adapters = {
            prefix: http.session().get_adapter(prefix) for prefix in ("https://", "http://")
        }

        for adapter in adapters.values():
            assert isinstance(adapter, HTTPAdapter)
            assert adapter.max_retries.total == 0

    def test_reads_no_more_than_its_limit_even_when_compressed(self, peer: str) -> None:
        session = http.Session(max_bytes=100_000)

        with pytest.raises(http.AnswerTooLarge):
            session.get(f"{peer}/bomb/100001")
        assert session.get(f"{peer}/bomb/100000").content == b"x" * 100_000

    def test_gives_up_on_a_dripping_host(self, peer: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http, "TOTAL_SECONDS", 0.1)

        with pytest.raises(http.AnswerTooLarge, match="not complete"):
            http.session().get(f"{peer}/drip")

    def test_takes_no_half_answer(self, peer: str) -> None:
        with pytest.raises(requests.ConnectionError):
            http.session().get(f"{peer}/cut")

    def test_always_verifies_certificates(self, peer: str) -> None:
        with pytest.raises(ValueError, match="always verified"):
            http.session().get(f"{peer}/", verify=False)

    def test_keeps_our_authorization(
        self, peer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login other password other\n")
        monkeypatch.setenv("NETRC", str(netrc))

        http.session().get(f"{peer}/", headers={"Authorization": "Bearer ours"})

        assert Peer.seen[0]["Authorization"] == "Bearer ours"

    def test_passes_the_trace_on(self, peer: str) -> None:
        with bound_contextvars(trace_id="4bf92f3577b34da6a3ce929d0e0e4736"):
            http.session().get(f"{peer}/")
        http.session().get(f"{peer}/")

        version, trace, parent, flags = Peer.seen[0]["traceparent"].split("-")
        assert (version, trace, flags) == ("00", "4bf92f3577b34da6a3ce929d0e0e4736", "01")
        assert len(parent) == 16
        assert "traceparent" not in Peer.seen[1]

    def test_logs_where_it_went_and_no_more(self, peer: str) -> None:
        address = peer.replace("http://", "http://user:password@")

        with capture_logs() as lines:
            http.session().get(f"{address}/charge?token=secret", headers={"X": "secret"})
            with pytest.raises(requests.ReadTimeout):
                http.session().get(f"{peer}/hang", timeout=0.1)

        (answered, silent) = lines
        assert answered.pop("duration_ms") >= 0
        assert answered == {
            "event": "outbound",
            "log_level": "info",
            "method": "GET",
            "host": "127.0.0.1",
            "path": "/charge",
            "status": 200,
        }
        assert silent["error"] == "ReadTimeout"


INNER = [
    "127.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "fc00::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


class TestPublicSession:
    @pytest.mark.parametrize("address", INNER)
    def test_refuses_what_is_not_the_public_internet(self, address: str) -> None:
        host = f"[{address}]" if ":" in address else address

        with pytest.raises(InvalidIPAddress):
            http.public_session().get(f"https://{host}/")
        with pytest.raises(InvalidIPAddress):
            http.require_public(address)

    @pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f000001", "0177.0.0.1"])
    def test_refuses_disguises_of_this_machine(self, host: str) -> None:
        with pytest.raises(InvalidIPAddress):
            http.public_session().get(f"https://{host}/")

    @pytest.mark.parametrize("address", INNER)
    def test_refuses_names_that_lead_inside(
        self, address: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        answer = [(family, socket.SOCK_STREAM, 6, "", (address, 443))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)

        with pytest.raises(InvalidIPAddress):
            http.public_session().get("https://writer.example/")

    @pytest.mark.parametrize("url", ["http://example.com/", "ftp://example.com/", "file:///etc/x"])
    def test_speaks_only_https(self, url: str) -> None:
        with pytest.raises(requests.exceptions.InvalidSchema):
            http.public_session().get(url)

    def test_goes_through_no_proxy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")

        with pytest.raises(InvalidIPAddress):
            http.public_session().get("https://127.0.0.1/")

    @pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
    def test_lets_public_addresses_pass(self, address: str) -> None:
        http.require_public(address)
