"""The public keys that tokens are verified with, from one of three places.

A JWKS address (``JWT_JWKS_URL``), PEM texts (``JWT_PUBLIC_KEYS``), or the public half of our own
signing key (``JWT_SIGNING_KEY_FILE``, local and test settings). Nothing in a token chooses where
keys come from: its ``jku``, ``x5u``, ``jwk`` and ``x5c`` headers are never read.
"""

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import requests
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from jwt import PyJWK, PyJWTError
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from legato_payments.lib.errors import Unavailable

log = structlog.get_logger(__name__)

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

MIN_RSA_BITS = 2048
"""NIST SP 800-131A Rev. 2, table 2."""

FRESH_SECONDS = 300
"""A JWKS answer younger than this is used without asking again."""

STALE_SECONDS = 24 * 3600
"""How long an older answer still serves while the user service is away. Then keys are gone: one
that was withdrawn meanwhile must not live for ever."""

COOLDOWN_SECONDS = 30
"""Between two fetches, whoever asks: forged key ids must not make us flood the user service."""

RETRY_SECONDS = 5
"""Between two fetches while we hold no key at all."""

TIMEOUT_SECONDS = (2, 3)
"""To connect, and between bytes."""

MAX_JWKS_BYTES = 256 * 1024

_PEM = re.compile(
    r"(?:^kid=(?P<kid>\S+)[ \t]*\r?\n)?"
    r"(?P<pem>-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----)",
    re.DOTALL | re.MULTILINE,
)


class KeysUnavailable(Unavailable):
    """The user service does not give us its keys, so no token can be checked. Repeat later."""

    code = "keys_unavailable"
    title = "Tokens cannot be checked at the moment."


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, its name, and the one algorithm it may be used with."""

    kid: str
    algorithm: str
    key: PublicKey

    @classmethod
    def of(cls, key: Any, kid: str | None = None) -> "VerificationKey":
        """Name a key: its RFC 7638 thumbprint unless ``kid`` is given.

        Raises:
            ValueError: Not RSA of 2048 bits or more, P-256 or Ed25519.
        """
        algorithm = _algorithm(key)
        return cls(kid or thumbprint(key), algorithm, key)


class KeySource(Protocol):
    """Where keys are looked up."""

    def find(self, kid: str | None) -> VerificationKey | None:
        """The key named ``kid``; without a name, the key if there is exactly one."""


class StaticKeys:
    """A fixed set of keys."""

    def __init__(self, keys: Iterable[VerificationKey]) -> None:
        self._by_kid = {key.kid: key for key in keys}

    def find(self, kid: str | None) -> VerificationKey | None:
        if kid is not None:
            return self._by_kid.get(kid)
        return next(iter(self._by_kid.values())) if len(self._by_kid) == 1 else None


class JwksKeys:
    """The keys of a JWKS address, fetched when needed and kept while it does not answer."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: StaticKeys | None = None
        self._fetched_at = 0.0  # monotonic seconds, as is the next
        self._tried_at = float("-inf")
        self._lock = threading.Lock()

    def find(self, kid: str | None) -> VerificationKey | None:
        """The key named ``kid``; an unknown name is worth one new fetch per cool-down.

        Raises:
            KeysUnavailable: There is no answer to use, neither new nor kept.
        """
        now = time.monotonic()
        keys = self._current(now)
        found = keys.find(kid)
        if found is None and self._may_ask(now):
            self._refresh(now)
            found = self._current(now).find(kid)
        return found

    def _current(self, now: float) -> StaticKeys:
        is_old = now - self._fetched_at >= FRESH_SECONDS
        # Without keys, wait for whoever is asking just now.
        if self._keys is None or (is_old and self._may_ask(now)):
            self._refresh(now)
        if self._keys is None or now - self._fetched_at >= STALE_SECONDS:
            raise KeysUnavailable(retry_after=RETRY_SECONDS)
        return self._keys

    def _may_ask(self, now: float) -> bool:
        pause = RETRY_SECONDS if self._keys is None else COOLDOWN_SECONDS
        return now - self._tried_at >= pause

    def _refresh(self, now: float) -> None:
        # With keys in hand nobody waits: one thread asks, the others go on with what is kept.
        if not self._lock.acquire(blocking=self._keys is None):
            return
        try:
            if not self._may_ask(now):
                return  # another thread has just asked
            self._tried_at = now
            self._keys = StaticKeys(_read_jwks(_fetch(self._url)))
            self._fetched_at = now
        except (requests.RequestException, ValueError) as error:
            log.warning("jwks_not_fetched", url=self._url, error=str(error))
        finally:
            self._lock.release()


def thumbprint(key: PublicKey) -> str:
    """The RFC 7638 name of a public key: base64url of the SHA-256 of its required members."""
    jwk = _to_jwk(key)
    required = {name: jwk[name] for name in ("crv", "e", "kty", "n", "x", "y") if name in jwk}
    text = json.dumps(required, separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 private key in a PEM file.

    Raises:
        ImproperlyConfigured: The file holds another kind of key.
    """
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ImproperlyConfigured(f"{path} holds no Ed25519 private key.")
    return key


@cache
def key_source() -> KeySource:
    """The keys that the settings name; without any, every token is refused."""
    if settings.JWT_JWKS_URL:
        return JwksKeys(settings.JWT_JWKS_URL)
    if settings.JWT_PUBLIC_KEYS:
        return StaticKeys(_read_pems(settings.JWT_PUBLIC_KEYS))
    if settings.JWT_SIGNING_KEY_FILE:
        own = load_signing_key(Path(settings.JWT_SIGNING_KEY_FILE)).public_key()
        return StaticKeys([VerificationKey.of(own)])
    return StaticKeys([])


def _forget_on_change(*, setting: str, **_others: Any) -> None:
    if setting.startswith("JWT_"):
        key_source.cache_clear()


setting_changed.connect(_forget_on_change)


def _algorithm(key: Any) -> str:
    match key:
        case RSAPublicKey() if key.key_size >= MIN_RSA_BITS:
            return "RS256"
        case EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            return "ES256"
        case Ed25519PublicKey():
            return "EdDSA"
    raise ValueError(f"not RSA of {MIN_RSA_BITS} bits, P-256 or Ed25519: {type(key).__name__}")


def _to_jwk(key: PublicKey) -> dict[str, Any]:
    match key:
        case RSAPublicKey():
            return RSAAlgorithm.to_jwk(key, as_dict=True)
        case EllipticCurvePublicKey():
            return ECAlgorithm.to_jwk(key, as_dict=True)
        case Ed25519PublicKey():
            return OKPAlgorithm.to_jwk(key, as_dict=True)


def _read_pems(text: str) -> list[VerificationKey]:
    """PEM public keys, each optionally after a line ``kid=<its name in the tokens>``."""
    keys = []
    for match in _PEM.finditer(text):
        try:
            key = load_pem_public_key(match["pem"].encode())
            keys.append(VerificationKey.of(key, match["kid"]))
        except ValueError as error:
            raise ImproperlyConfigured(f"JWT_PUBLIC_KEYS: {error}") from error
    if not keys:
        raise ImproperlyConfigured("JWT_PUBLIC_KEYS holds no PEM public key.")
    return keys


def _fetch(url: str) -> Any:
    with requests.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True) as response:
        if response.status_code != 200:
            raise ValueError(f"status {response.status_code}")
        body = response.raw.read(MAX_JWKS_BYTES + 1, decode_content=True)
    if len(body) > MAX_JWKS_BYTES:
        raise ValueError(f"more than {MAX_JWKS_BYTES} bytes")
    return json.loads(body)


def _read_jwks(document: Any) -> list[VerificationKey]:
    listed = document.get("keys") if isinstance(document, dict) else None
    entries = listed if isinstance(listed, list) else []
    keys = [key for entry in entries if (key := _read_jwk(entry)) is not None]
    if not keys:
        raise ValueError("no usable key in the JWK set")
    return keys


def _read_jwk(entry: Any) -> VerificationKey | None:
    """A key we can use, else ``None``: a set may hold others, for other purposes."""
    if not isinstance(entry, Mapping) or entry.get("use", "sig") != "sig":
        return None
    kid = entry.get("kid")
    if kid is not None and not isinstance(kid, str):
        return None
    try:
        key = VerificationKey.of(PyJWK(dict(entry)).key, kid)
    except (PyJWTError, ValueError, TypeError):
        return None
    return key if entry.get("alg", key.algorithm) == key.algorithm else None
