"""Those who speak to the API: to whom an endpoint is open, and to whom it is not"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from legato_payments.lib.api import tokens
from legato_payments.lib.api.auth import SERVICE_PREFIX
from legato_payments.lib.api.permissions import SERVICE_SCOPES
from tests.security.endpoints import NOBODY, READER, WRITER, Endpoint


@dataclass(frozen=True)
class Caller:
    """One identity.

    Args:
        user_id: The user it is, or acts for; empty for others.
        is_gateway: Its deliveries are signed.
    """

    name: str
    user_id: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_gateway: bool = False


def user(user_id: str, *, role: str = "", scope: str = "") -> Caller:
    """A user, whose token may be limited to one scope."""
    token = tokens.issue(user_id, roles=[role] if role else (), scopes=[scope] if scope else ())
    name = f"{role or 'reader'} {user_id}"
    return Caller(f"{name}, limited to {scope}" if scope else name, user_id, _bearer(token))


def service(*scopes: str, act: str = "") -> Caller:
    """A service with these scopes, acting for a user perhaps."""
    token = tokens.issue(f"{SERVICE_PREFIX}any", scopes=scopes, act=act or None)
    name = f"service with {' '.join(scopes) or 'no scope'}"
    return Caller(f"{name}, acting" if act else name, act, _bearer(token))


ANONYMOUS = Caller("anonymous")
GATEWAY = Caller("gateway", is_gateway=True)


def openers(endpoint: Endpoint) -> list[Caller]:
    """Everybody an endpoint is open to, one of each kind."""
    if not endpoint.checks_tokens:
        return [GATEWAY]
    services = [service(scope) for scope in sorted(endpoint.services)]
    if endpoint.delegated:
        services.append(service(endpoint.delegated, act=READER))
    return [*_people(endpoint), *services]


def strangers(endpoint: Endpoint) -> list[Caller]:
    """Some of those it is not open to."""
    if not endpoint.checks_tokens:
        return [ANONYMOUS]
    if endpoint.owner == "all":
        return []
    others = SERVICE_SCOPES - endpoint.services - {endpoint.delegated}
    return [ANONYMOUS, user(NOBODY), service(*sorted(others))]


def _people(endpoint: Endpoint) -> Iterable[Caller]:
    match endpoint.owner:
        case "all":
            return [ANONYMOUS, user(READER), user(WRITER, role="writer"), service()]
        case "user" | "transaction":
            limited = [user(READER, scope=scope) for scope in sorted(endpoint.limited)]
            return [user(READER), *limited]
        case "writer" | "author":
            limited = [
                user(WRITER, role="writer", scope=scope) for scope in sorted(endpoint.limited)
            ]
            return [user(WRITER, role="writer"), *limited]
    return []


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
