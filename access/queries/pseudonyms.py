"""Names under which writers meet their readers."""

import hmac

from legato_payments.lib.keyring import key_ring

LENGTH = 16
"""Hexadecimal digits, 64 bits: no two of a billion readers are likely to share a name."""


def of_reader(*, user_id: str, writer_id: str) -> str:
    """A reader's name to one writer: always the same, and another one to every other writer.

    It cannot be turned back, nor made from a list of user ids, without our key. It stays while the
    oldest key of ``FIELD_KEYS`` does.
    """
    ring = key_ring()
    key = ring.derive(min(ring.keys), "pseudonym")
    # Neither id can hold the separator.
    digest = hmac.digest(key, f"{writer_id}\n{user_id}".encode(), "sha256")
    return f"reader-{digest.hex()[:LENGTH]}"
