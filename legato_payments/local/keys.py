"""Keys that one machine makes for itself on first use, kept in the state folder."""

import base64
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from legato_payments.local import paths

TEST_FIELD_KEYS = "1:" + base64.b64encode(b"1" * 32).decode()
"""A fixed key ring for tests: nothing of theirs outlives the run."""


def text(name: str) -> str:
    """A random secret under ``name``, made once."""
    return _read_or_make(
        paths.state_dir() / "keys" / name, secrets.token_urlsafe(48).encode()
    ).decode()


def field_key_ring() -> str:
    """The key ring of encrypted fields with one key, made once (see ``lib.crypto``)."""
    made = f"1:{base64.b64encode(secrets.token_bytes(32)).decode()}"
    return _read_or_make(paths.state_dir() / "keys" / "field_keys", made.encode()).decode()


def signing_key_file(folder: Path | None = None) -> Path:
    """The Ed25519 private key that ``issue_token`` signs with, made once."""
    path = (folder or paths.state_dir() / "keys") / "jwt_signing_key.pem"
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    _read_or_make(path, pem)
    return path


def _read_or_make(path: Path, fresh: bytes) -> bytes:
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    # Written aside and linked into place: of two processes that start at once, the first wins and
    # nobody ever reads half a key.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    if not path.exists():
        draft.touch(mode=0o600)
        draft.write_bytes(fresh)
        try:
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_bytes()
