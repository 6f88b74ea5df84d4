"""Who is asking: bearer tokens of the platform's user service (api.md, section 4).

No table of users is read: whatever we know of the caller is in the token.
"""

from dataclasses import dataclass
from typing import Any

import jwt
import structlog
from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request

from legato_payments.lib.api.keys import key_source
from legato_payments.lib.ids import is_external_id

log = structlog.get_logger(__name__)

LEEWAY_SECONDS = 30
MAX_TOKEN_LENGTH = 8192
SERVICE_PREFIX = "service:"

ACCESS_TOKEN_TYPES = {"at+jwt", "application/at+jwt"}
"""RFC 9068, section 2.1: what keeps an identity token from being used as an access token."""

_PLAIN_TYPES = {"", "jwt"}


@dataclass(frozen=True, slots=True)
class Principal:
    """The bearer of a valid token: a user, or a service of the platform."""

    subject: str
    issuer: str
    client_id: str = ""
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    email: str | None = None
    act: str | None = None
    """The user a service acts for; always ``None`` for users."""

    is_authenticated = True  # what Django and DRF ask of a user

    @property
    def is_service(self) -> bool:
        return self.subject.startswith(SERVICE_PREFIX)

    @property
    def actor(self) -> str:
        """As audit rows and logs write it: ``user:reader-1`` or ``service:content``."""
        return self.subject if self.is_service else f"user:{self.subject}"


def principal_of(request: Request) -> Principal:
    """Who sent the request.

    Raises:
        NotAuthenticated: Nobody said; only possible in a view whose access is ``Public``.
    """
    principal = bearer_of(request)
    if principal is None:
        raise NotAuthenticated
    return principal


def bearer_of(request: Request) -> Principal | None:
    """Who sent the request, or ``None`` for an anonymous one."""
    user: object = request.user
    return user if isinstance(user, Principal) else None


class BearerAuthentication(BaseAuthentication):
    """``Authorization: Bearer <JWT>``; no header, or another scheme, is an anonymous request."""

    def authenticate(self, request: Request) -> tuple[Principal, None] | None:
        """The principal of the token.

        Raises:
            AuthenticationFailed: 401; the reason goes to the log, not to the caller.
            KeysUnavailable: 503; no key to check with.
        """
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
        if scheme.lower() != "bearer":
            return None
        try:
            principal = verify(token.strip())
        except InvalidToken as error:
            log.warning("authentication_failed", reason=str(error), path=request.path)
            raise AuthenticationFailed("The bearer token is not valid.") from None
        structlog.contextvars.bind_contextvars(actor=principal.actor)
        return principal, None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class BearerScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The token in the OpenAPI description."""

    target_class = BearerAuthentication
    name = "bearerAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class InvalidToken(Exception):
    """The token does not prove who is asking; the message is for our log only."""


def verify(token: str) -> Principal:
    """Check a token and say whose it is.

    The algorithm is the key's, never the header's: a public key cannot pass for an HMAC secret.

    Raises:
        InvalidToken: Forged, expired, for someone else, or of another form than ours.
        KeysUnavailable: There is no key to check with.
    """
    if len(token) > MAX_TOKEN_LENGTH or not token.isascii():
        raise InvalidToken("too long or not ASCII")
    try:
        header = jwt.get_unverified_header(token)
        _check_type(header)
        key = key_source().find(header.get("kid"))
        if key is None:
            raise InvalidToken("unknown key")
        claims = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            audience=settings.JWT_AUDIENCE,
            issuer=settings.JWT_ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "aud", "exp", "iat", "sub"]},
        )
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise InvalidToken(f"{type(error).__name__}: {error}") from error
    return _principal(claims)


def _check_type(header: dict[str, Any]) -> None:
    # RFC 7515, section 4.1.11: what we do not understand and is critical must be refused.
    if "crit" in header:
        raise InvalidToken("critical header")
    declared = header.get("typ") or ""
    if not isinstance(declared, str):
        raise InvalidToken("type")
    accepted = ACCESS_TOKEN_TYPES
    if not settings.JWT_REQUIRE_AT_TYP:
        accepted = ACCESS_TOKEN_TYPES | _PLAIN_TYPES
    if declared.lower() not in accepted:
        raise InvalidToken(f"type {declared!r}")


def _principal(claims: dict[str, Any]) -> Principal:
    for name in ("exp", "iat"):
        if type(claims[name]) not in {int, float}:  # PyJWT also takes "1700000000" and true
            raise InvalidToken(f"{name} is not a number")
    subject = claims["sub"]
    if not is_external_id(subject) or subject == SERVICE_PREFIX:
        raise InvalidToken("sub is no user id and no service:<name>")
    is_service = subject.startswith(SERVICE_PREFIX)
    return Principal(
        subject=subject,
        issuer=claims["iss"],
        client_id=_text(claims, "client_id") or _text(claims, "azp"),
        roles=_roles(claims),
        scopes=frozenset(_text(claims, "scope").split()),
        email=_email(claims),
        # RFC 8693 tells of an actor in a user's token; that user is still who is asking.
        act=_acts_for(claims) if is_service else None,
    )


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str) or len(value) > 2048:
        raise InvalidToken(f"{name} is not a short string")
    return value


def _roles(claims: dict[str, Any]) -> frozenset[str]:
    roles = claims.get("roles", [])
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise InvalidToken("roles is not a list of strings")
    return frozenset(roles)


def _email(claims: dict[str, Any]) -> str | None:
    email = _text(claims, "email")
    name, _, host = email.rpartition("@")
    is_plain = email.isprintable() and " " not in email and len(email) <= 254
    return email if name and host and is_plain else None


def _acts_for(claims: dict[str, Any]) -> str | None:
    act = claims.get("act")
    if isinstance(act, dict):
        act = act.get("sub")
    if act is None:
        return None
    if not isinstance(act, str) or not is_external_id(act) or act.startswith(SERVICE_PREFIX):
        raise InvalidToken("act names no user")
    return act
