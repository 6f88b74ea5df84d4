"""Making tokens as the platform's user service would: for one's own machine, and for tests."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from legato_payments.lib.api.keys import load_signing_key, thumbprint

DEFAULT_LIFETIME_SECONDS = 3600
CLIENT_ID = "issue-token"


def issue(
    subject: str,
    *,
    roles: Iterable[str] = (),
    scopes: Iterable[str] = (),
    email: str | None = None,
    act: str | None = None,
    lifetime_seconds: int = DEFAULT_LIFETIME_SECONDS,
    **claims: Any,
) -> str:
    """Sign a token with the local key.

    Args:
        subject: A user id, or ``service:<name>``.
        roles: For example ``writer``.
        scopes: None lets a user do everything on own resources, and a service nothing.
        email: The user's address.
        act: The user a service acts for.
        lifetime_seconds: From now on.
        claims: Any other, or in place of what would be filled in.

    Raises:
        ImproperlyConfigured: ``JWT_SIGNING_KEY_FILE`` is empty, as it is in production.
    """
    if not settings.JWT_SIGNING_KEY_FILE:
        raise ImproperlyConfigured(
            "There is no key to sign with: JWT_SIGNING_KEY_FILE is empty. Only local and test "
            "settings have one; elsewhere tokens come from the platform's user service."
        )
    key = load_signing_key(Path(settings.JWT_SIGNING_KEY_FILE))
    now = int(time.time())
    filled: dict[str, Any] = {
        "iss": settings.JWT_ISSUER,
        "aud": settings.JWT_AUDIENCE,
        "client_id": CLIENT_ID,
        "jti": str(uuid4()),
        "iat": now,
        "exp": now + lifetime_seconds,
        "sub": subject,
        "roles": list(roles) or None,
        "scope": " ".join(scopes) or None,
        "email": email,
        "act": {"sub": act} if act else None,
        **claims,
    }
    payload = {name: value for name, value in filled.items() if value is not None}
    headers = {"typ": "at+jwt", "kid": thumbprint(key.public_key())}
    return jwt.encode(payload, key, algorithm="EdDSA", headers=headers)
