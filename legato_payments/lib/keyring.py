"""Encrypted fields: AES-256-GCM under a ring of keys, each value bound to its row.

Stored form: ``version(1) key id(2) nonce(12) ciphertext tag(16)``, 31 bytes more than the text. The
additional data of the cipher is ``table.column:primary key``, so bytes copied to another row or
column do not open there. Keys are derived per column (HKDF), the ring comes from ``FIELD_KEYS``.
"""

import base64
import binascii
import hashlib
import hmac
import os
import struct
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 32
NONCE_BYTES = 12
"""96 bits, random: NIST SP 800-38D §8.3 allows 2**32 values per key, here per column and key."""
TAG_BYTES = 16
INDEX_BYTES = 16
VERSION = 1
_HEADER = struct.Struct(">BH")


class BadKeyRing(ImproperlyConfigured):
    """``FIELD_KEYS`` cannot be used; the message says why and never shows a key."""


class DecryptionFailed(Exception):
    """The bytes do not open here: altered, moved from another row, or sealed with a lost key."""


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys by number. The highest number seals; every number opens what it once sealed."""

    keys: Mapping[int, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "KeyRing":
        """Read ``1:<base64 of 32 bytes>,2:<…>``.

        Raises:
            BadKeyRing: Empty, malformed, a number twice, or a key that is short or repeated.
        """
        keys: dict[int, bytes] = {}
        for place, part in enumerate(filter(None, map(str.strip, text.split(","))), start=1):
            number, key = _parse_key(part, place)
            if number in keys:
                raise BadKeyRing(f"FIELD_KEYS: number {number} is there twice")
            if key in keys.values():
                raise BadKeyRing(f"FIELD_KEYS: key {number} repeats another one")
            keys[number] = key
        if not keys:
            raise BadKeyRing("FIELD_KEYS is empty")
        return cls(keys)

    @property
    def active(self) -> int:
        """The number of the key that seals."""
        return max(self.keys)

    def derive(self, number: int, purpose: str) -> bytes:
        """The 32-byte key for one purpose, under key ``number``.

        Raises:
            DecryptionFailed: The ring has no such key.
        """
        if number not in self.keys:
            raise DecryptionFailed(f"sealed with key {number}, which is not in FIELD_KEYS")
        return _derive(self.keys[number], purpose)

    def seal(self, text: str, *, purpose: str, row: str) -> bytes:
        """Encrypt ``text`` for one row; twice the same text gives different bytes."""
        nonce = os.urandom(NONCE_BYTES)
        cipher = AESGCM(self.derive(self.active, f"field:{purpose}"))
        header = _HEADER.pack(VERSION, self.active)
        sealed = cipher.encrypt(nonce, text.encode(), _bound_to(header, purpose, row))
        return header + nonce + sealed

    def unseal(self, data: bytes, *, purpose: str, row: str) -> str:
        """Decrypt what ``seal`` made for the same purpose and row.

        Raises:
            DecryptionFailed: Anything else; the bytes are never returned.
        """
        cipher = AESGCM(self.derive(key_number(data), f"field:{purpose}"))
        header, body = data[: _HEADER.size], data[_HEADER.size :]
        nonce, sealed = body[:NONCE_BYTES], body[NONCE_BYTES:]
        try:
            return cipher.decrypt(nonce, sealed, _bound_to(header, purpose, row)).decode()
        except InvalidTag:
            raise DecryptionFailed("altered, or sealed for another row or column") from None


def key_ring() -> KeyRing:
    """The ring of ``FIELD_KEYS``.

    Raises:
        BadKeyRing: The setting cannot be used.
    """
    return _parse_cached(settings.FIELD_KEYS)


def key_number(data: bytes) -> int:
    """The number of the key that sealed ``data``.

    Raises:
        DecryptionFailed: Not in the form of an encrypted field.
    """
    if len(data) < _HEADER.size + NONCE_BYTES + TAG_BYTES or data[0] != VERSION:
        raise DecryptionFailed("not in the form of an encrypted field")
    number: int = _HEADER.unpack_from(data)[1]
    return number


def blind_index(value: str, purpose: str) -> bytes:
    """16 bytes by which equal values find each other without being readable: for new rows.

    Args:
        value: Case, surrounding and inner spaces and Unicode forms do not matter.
        purpose: ``table.column``; equal values of two purposes have different indexes.
    """
    ring = key_ring()
    return _index(ring, ring.active, value, purpose)


def blind_indexes(value: str, purpose: str) -> list[bytes]:
    """The index under each key, newest first: search with ``__in``, rows may await rotation."""
    ring = key_ring()
    return [_index(ring, number, value, purpose) for number in sorted(ring.keys, reverse=True)]


def sign(text: str, purpose: str) -> str:
    """What proves later that ``text`` is ours: ``<key number>:<HMAC-SHA256 in hex>``."""
    ring = key_ring()
    return _signature(ring, ring.active, text, purpose)


def is_signed(text: str, signature: str, purpose: str) -> bool:
    """Whether a key of the ring made this signature of just this text, for the same purpose."""
    ring = key_ring()
    made = [_signature(ring, number, text, purpose) for number in ring.keys]
    return any(hmac.compare_digest(one.encode(), signature.encode()) for one in made)


def make_key() -> str:
    """A new random key, as ``FIELD_KEYS`` spells it."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def normalise(value: str) -> str:
    """The form that blind indexes compare: compatible characters, no case, no white space."""
    return "".join(unicodedata.normalize("NFKC", value).casefold().split())


def _index(ring: KeyRing, number: int, value: str, purpose: str) -> bytes:
    key = ring.derive(number, f"index:{purpose}")
    return hmac.new(key, normalise(value).encode(), hashlib.sha256).digest()[:INDEX_BYTES]


def _signature(ring: KeyRing, number: int, text: str, purpose: str) -> str:
    key = ring.derive(number, f"signature:{purpose}")
    return f"{number}:{hmac.new(key, text.encode(), hashlib.sha256).hexdigest()}"


def _bound_to(header: bytes, purpose: str, row: str) -> bytes:
    return header + f"{purpose}:{row}".encode()


def _parse_key(part: str, place: int) -> tuple[int, bytes]:
    number, colon, encoded = part.partition(":")
    if not colon or not number.isascii() or not number.isdigit() or not 0 < int(number) < 2**16:
        raise BadKeyRing(
            f"FIELD_KEYS: entry {place} is not <number 1 to 65535>:<base64 of 32 bytes>"
        )
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise BadKeyRing(f"FIELD_KEYS: key {number} is not base64") from None
    if len(key) != KEY_BYTES:
        raise BadKeyRing(f"FIELD_KEYS: key {number} has {len(key)} bytes, not {KEY_BYTES}")
    return int(number), key


@lru_cache(maxsize=8)
def _parse_cached(text: str) -> KeyRing:
    return KeyRing.parse(text)


@lru_cache(maxsize=256)
def _derive(key: bytes, purpose: str) -> bytes:
    info = f"legato {purpose}".encode()
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info).derive(key)
