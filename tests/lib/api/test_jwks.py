"""Keys from a JWKS address: fetched when needed, kept while it is away."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from django.test import Client
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from pytest_django.fixtures import Settings

from legato_payments.lib.api import keys
from legato_payments.lib.api.keys import JwksKeys, KeysUnavailable

FIRST = ed25519.Ed25519PrivateKey.generate()
SECOND = ed25519.Ed25519PrivateKey.generate()


def jwk(key: ed25519.Ed25519PrivateKey, kid: str, **more: Any) -> dict[str, Any]:
    return {**OKPAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **more}


class UserService(ThreadingHTTPServer):
    """Serves a key set over HTTP, counts the requests, and can be made to fail."""

    def __init__(self) -> None:
        self.document: Any = {"keys": [jwk(FIRST, "first", use="sig", alg="EdDSA")]}
        self.status = 200
        self.requests = 0
        self.delay_seconds = 0.0
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/jwks"


class _Handler(BaseHTTPRequestHandler):
    server: UserService

    def do_GET(self) -> None:
        self.server.requests += 1
        time.sleep(self.server.delay_seconds)
        body = self.server.document
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def user_service() -> Iterator[UserService]:
    """A key server on this machine."""
    with UserService() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Clock:
    """Stands in for the monotonic clock."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A monotonic clock that the test moves."""
    clock = Clock()
    monkeypatch.setattr(keys, "time", clock)
    return clock


def test_the_keys_are_fetched_once(user_service: UserService, clock: Clock) -> None:
    source = JwksKeys(user_service.url)

    for _ in range(10):
        assert source.find("first") is not None
        assert source.find(None) is not None
    assert user_service.requests == 1


def test_a_new_key_is_found_after_the_cool_down(user_service: UserService, clock: Clock) -> None:
    source = JwksKeys(user_service.url)
    source.find("first")
    user_service.document["keys"].append(jwk(SECOND, "second"))

    assert source.find("second") is None
    clock.seconds += keys.COOLDOWN_SECONDS
    assert source.find("second") is not None


def test_unknown_names_do_not_flood_the_user_service(
    user_service: UserService, clock: Clock
) -> None:
    source = JwksKeys(user_service.url)

    for second in range(100):
        assert source.find(f"forged-{second}") is None
        clock.seconds += 1
    assert user_service.requests <= 1 + 100 // keys.COOLDOWN_SECONDS + 1


def test_a_withdrawn_key_is_refused_after_five_minutes(
    user_service: UserService, clock: Clock
) -> None:
    source = JwksKeys(user_service.url)
    source.find("first")
    user_service.document = {"keys": [jwk(SECOND, "second")]}

    clock.seconds += keys.FRESH_SECONDS
    assert source.find("first") is None
    assert source.find("second") is not None


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 302}, {"document": b"<html>"}, {"document": {"keys": []}}]
)
def test_known_keys_serve_while_the_user_service_is_away(
    user_service: UserService, clock: Clock, fault: dict[str, Any]
) -> None:
    source = JwksKeys(user_service.url)
    source.find("first")
    vars(user_service).update(fault)

    clock.seconds += keys.FRESH_SECONDS
    assert source.find("first") is not None
    clock.seconds += keys.STALE_SECONDS
    with pytest.raises(KeysUnavailable):
        source.find("first")


def test_without_any_key_the_caller_comes_back_later(clock: Clock) -> None:
    source = JwksKeys("http://127.0.0.1:1/jwks")

    with pytest.raises(KeysUnavailable) as caught:
        source.find("first")
    assert caught.value.retry_after == keys.RETRY_SECONDS


def test_keys_are_fetched_again_soon_after_a_failed_start(
    user_service: UserService, clock: Clock
) -> None:
    source = JwksKeys(user_service.url)
    user_service.status = 503
    with pytest.raises(KeysUnavailable):
        source.find("first")
    user_service.status = 200

    with pytest.raises(KeysUnavailable):
        source.find("first")
    clock.seconds += keys.RETRY_SECONDS
    assert source.find("first") is not None
    assert user_service.requests == 2


def test_many_first_callers_wait_for_one_answer(user_service: UserService) -> None:
    user_service.delay_seconds = 0.3
    source = JwksKeys(user_service.url)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(source.find("first"))) for _ in range(64)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 64
    assert None not in found
    assert user_service.requests == 1


def test_keys_we_cannot_use_are_left_out(user_service: UserService, clock: Clock) -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    user_service.document = {
        "keys": [
            jwk(FIRST, "good"),
            jwk(SECOND, "for encryption", use="enc"),
            jwk(SECOND, "another algorithm", alg="HS256"),
            jwk(SECOND, "mismatch", alg="RS256"),
            {**jwk(SECOND, "unused"), "kid": 7},
            {"kty": "oct", "k": "c2VjcmV0", "kid": "symmetric"},
            {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
            {**RSAAlgorithm.to_jwk(weak.public_key(), as_dict=True), "kid": "weak"},
            OKPAlgorithm.to_jwk(SECOND, as_dict=True) | {"kid": "private"},
            "text",
        ]
    }
    source = JwksKeys(user_service.url)

    assert source.find("good") is not None
    assert source.find(None) is not None
    for entry in user_service.document["keys"][1:-1]:
        assert source.find(entry["kid"]) is None


def test_an_endless_answer_is_cut_off(user_service: UserService, clock: Clock) -> None:
    user_service.document = b" " * (keys.MAX_JWKS_BYTES + 1)

    with pytest.raises(KeysUnavailable):
        JwksKeys(user_service.url).find("first")


@pytest.mark.urls("tests.lib.api.endpoints")
def test_a_token_is_checked_with_a_key_of_the_set(
    user_service: UserService, client: Client, settings: Settings
) -> None:
    settings.JWT_JWKS_URL = user_service.url
    with time_machine.travel("2026-10-01T00:00:00Z"):
        claims = {
            "iss": settings.JWT_ISSUER,
            "aud": settings.JWT_AUDIENCE,
            "sub": "reader-1",
            "iat": 1_790_812_800,
            "exp": 1_790_812_900,
        }
        token = jwt.encode(claims, FIRST, algorithm="EdDSA", headers={"kid": "first"})
        response = client.get("/api/v1/echo/whoami", headers={"authorization": f"Bearer {token}"})

    assert response.json()["actor"] == "user:reader-1"


@pytest.mark.urls("tests.lib.api.endpoints")
def test_a_caller_hears_503_while_no_token_can_be_checked(
    client: Client, settings: Settings
) -> None:
    settings.JWT_JWKS_URL = "http://127.0.0.1:1/jwks"
    token = jwt.encode({"sub": "reader-1"}, FIRST, algorithm="EdDSA", headers={"kid": "first"})

    response = client.get("/api/v1/echo/whoami", headers={"authorization": f"Bearer {token}"})

    assert response.status_code == 503
    assert response.json()["code"] == "keys_unavailable"
    assert response["Retry-After"] == "5"
