"""The one way out: HTTP sessions that cannot hang, be led elsewhere, or be fed without end.

``session()`` is for hosts that our configuration names, ``public_session()`` for addresses that
users give us. Neither follows redirects nor repeats a request: who calls a gateway knows whether
repeating is safe, and does it.
"""

import io
import ipaddress
import secrets
import time
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog
import urllib3
from requests.adapters import HTTPAdapter
from requests_hardened.ip_filter import InvalidIPAddress
from requests_hardened.ip_filter_adapter import IPFilterAdapter
from structlog.contextvars import get_contextvars

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 3.05
"""A little over 3, the TCP retransmission window, as requests' own documentation advises."""
READ_SECONDS = 20.0
"""Between two bytes."""
TOTAL_SECONDS = 60.0
"""For the whole body: a peer that sends a byte every 19 seconds must not hold a worker."""
MAX_BYTES = 8 * 1024 * 1024
"""Largest answer of a configured host: a settlement report, after decompression."""
MAX_PUBLIC_BYTES = 64 * 1024
_CHUNK_BYTES = 64 * 1024

_DENIED_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "::/96",  # IPv4-compatible
        "64:ff9b::/96",  # NAT64: reaches any IPv4 address, private ones included
        "64:ff9b:1::/48",
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "fec0::/10",  # site-local
    )
)
"""IPv6 addresses that lead to IPv4 ones or to our own site; Python calls some of them global."""


class AnswerTooLarge(requests.RequestException):
    """The body is larger than the session takes, or too slow; the rest was not read."""


class Session(requests.Session):
    """A session with our limits; ``timeout`` of a single request may differ, the rest may not."""

    def __init__(self, *, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self.max_bytes = max_bytes
        # Otherwise requests replaces our Authorization header by an entry of ~/.netrc.
        self.auth = _keep_authorization
        self.mount("https://", HTTPAdapter(max_retries=0))
        self.mount("http://", HTTPAdapter(max_retries=0))

    def request(self, method: str | bytes, url: str | bytes, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        """Send one request and read its whole answer.

        Raises:
            AnswerTooLarge: The answer was not read to its end.
            requests.RequestException: No answer; whether the request arrived is unknown.
        """
        if kwargs.get("verify") is False:
            raise ValueError("TLS certificates are always verified")
        kwargs.update(allow_redirects=False, stream=True)
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        started = time.monotonic()
        try:
            response = super().request(method, url, **kwargs)
            self._read_body(response, started)
        except requests.RequestException as error:
            _log(method, url, started, error=type(error).__name__)
            raise
        _log(method, url, started, status=response.status_code)
        return response

    def _read_body(self, response: requests.Response, started: float) -> None:
        body = bytearray()
        try:
            with response:
                # read1 returns what has arrived: read() would wait for a whole chunk of a peer
                # that drips.
                while piece := response.raw.read1(_CHUNK_BYTES, decode_content=True):
                    body += piece
                    self._check_limits(len(body), started)
        except urllib3.exceptions.HTTPError as error:
            raise requests.ConnectionError(error, response=response) from error
        response.raw = io.BytesIO(body)

    def _check_limits(self, size: int, started: float) -> None:
        if size > self.max_bytes:
            raise AnswerTooLarge(f"more than {self.max_bytes} bytes")
        if time.monotonic() - started > TOTAL_SECONDS:
            raise AnswerTooLarge(f"not complete after {TOTAL_SECONDS} s")


class PublicSession(Session):
    """For addresses that users give: https only, to the public internet only, without proxies."""

    def __init__(self, *, max_bytes: int = MAX_PUBLIC_BYTES) -> None:
        super().__init__(max_bytes=max_bytes)
        self.adapters.clear()
        self.mount("https://", _PublicAdapter(is_https_proto=True))
        # A proxy would look the name up again, by itself and without our filter.
        self.trust_env = False


class _PublicAdapter(IPFilterAdapter):  # type: ignore[misc]
    """Connects to the very address that was checked, so a second DNS answer changes nothing."""

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        """As the base class does, which resolves and filters the host, with more denials."""
        host, pool = super().build_connection_pool_key_attributes(*args, **kwargs)
        require_public(host["host"].strip("[]"))
        return host, pool


def session() -> Session:
    """A session for configured hosts; it passes the trace of the current request on."""
    made = Session()
    if trace_id := get_contextvars().get("trace_id"):
        made.headers["traceparent"] = f"00-{trace_id}-{secrets.token_hex(8)}-01"
    return made


def public_session() -> PublicSession:
    """A session for addresses that users give us."""
    return PublicSession()


def require_public(address: str) -> None:
    """Refuse what is not a plain address of the public internet.

    Raises:
        InvalidIPAddress: Private, loopback, link-local, multicast, or a tunnel to such an address.
    """
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        parsed = parsed.ipv4_mapped
    is_denied = any(parsed in network for network in _DENIED_NETWORKS)
    if is_denied or parsed.is_multicast or not parsed.is_global:
        raise InvalidIPAddress(address)


def _keep_authorization(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _log(method: str | bytes, url: str | bytes, started: float, **outcome: Any) -> None:
    parts = urlsplit(url.decode() if isinstance(url, bytes) else url)
    # Host and path only: queries hold tokens, and an address may hold a password.
    log.info(
        "outbound",
        method=method,
        host=parts.hostname,
        path=parts.path,
        duration_ms=round((time.monotonic() - started) * 1000, 1),
        **outcome,
    )
