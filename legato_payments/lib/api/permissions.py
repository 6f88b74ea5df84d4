"""Who may do what: declared per action, denied by default (api.md, section 4).

A view says for each action, in ``access``, which rules open it; one that holds is enough::

    access = {
        "balance": [Own(user_scope="coins:read", or_scope="balances:read")],
        "create": [Service("packages:write")],
    }

Users act on their own resources and never gain rights from service scopes; services act by scope
alone and never own anything.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from legato_payments.lib.api.auth import Principal, bearer_of

if TYPE_CHECKING:
    # At run time a cycle: APIView reads the settings, which name DeclaredAccess below.
    from rest_framework.views import APIView

log = structlog.get_logger(__name__)

USER_SCOPES = frozenset({"coins:read", "coins:spend", "earnings:read", "payouts:request"})
"""A user token that carries any of these is limited to those it carries; one that carries none may
do everything on its own resources. Scopes of other services (``openid``) count for nothing."""

SERVICE_SCOPES = frozenset(
    {
        "packages:write",
        "catalog:write",
        "access:read",
        "balances:read",
        "transactions:read",
        "purchases:confirm",
        "coins:spend:delegated",
        "engagement:write",
        "revenue:write",
        "pool:submit",
        "earnings:read",
        "reports:read",
        "analytics:read",
        "refunds:write",
        "privacy:manage",
        "events:read",
        "metrics:read",
    }
)


class Access(ABC):
    """One way to be allowed to do something."""

    @abstractmethod
    def allows(self, principal: Principal | None, kwargs: Mapping[str, Any]) -> bool:
        """Whether ``principal`` (``None``: anonymous) may act on the path's ``kwargs``."""


@dataclass(frozen=True, slots=True)
class Public(Access):
    """Anybody, with or without a token."""

    def allows(self, principal: Principal | None, kwargs: Mapping[str, Any]) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Service(Access):
    """A service whose token carries ``scope``."""

    scope: str

    def __post_init__(self) -> None:
        assert self.scope in SERVICE_SCOPES, self.scope

    def allows(self, principal: Principal | None, kwargs: Mapping[str, Any]) -> bool:
        return principal is not None and principal.is_service and self.scope in principal.scopes


@dataclass(frozen=True, slots=True)
class AnyUser(Access):
    """Any user: for paths without an owner's id, whose view checks the owner by ``owns``.

    Args:
        user_scope: Lets a limited token in that carries it; ``None`` lets no limited token in.
        role: The user must have it, for example ``writer``.
    """

    user_scope: str | None = None
    role: str | None = None

    def __post_init__(self) -> None:
        assert self.user_scope is None or self.user_scope in USER_SCOPES, self.user_scope

    def allows(self, principal: Principal | None, kwargs: Mapping[str, Any]) -> bool:
        if principal is None or principal.is_service:
            return False
        limits = principal.scopes & USER_SCOPES
        if limits and self.user_scope not in limits:
            return False
        return self.role is None or self.role in principal.roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Own(Access):
    """The user whose id stands in the path, or a service on that user's behalf.

    Args:
        kwarg: The path's parameter that holds the id.
        user_scope: As of ``AnyUser``.
        role: As of ``AnyUser``.
        or_scope: A service with this scope may act on any user.
        delegated: A service with this scope may act on the user its token's ``act`` names.
    """

    kwarg: str = "user_id"
    user_scope: str | None = None
    role: str | None = None
    or_scope: str | None = None
    delegated: str | None = None

    def __post_init__(self) -> None:
        assert self.user_scope is None or self.user_scope in USER_SCOPES, self.user_scope
        for scope in (self.or_scope, self.delegated):
            assert scope is None or scope in SERVICE_SCOPES, scope

    def allows(self, principal: Principal | None, kwargs: Mapping[str, Any]) -> bool:
        if principal is None:
            return False
        owner = kwargs.get(self.kwarg)
        if not principal.is_service:
            as_user = AnyUser(self.user_scope, self.role)
            return principal.subject == owner and as_user.allows(principal, kwargs)
        if self.or_scope is not None and self.or_scope in principal.scopes:
            return True
        if self.delegated is None or self.delegated not in principal.scopes:
            return False
        return principal.act is not None and principal.act == owner


AccessRules = Mapping[str, Sequence[Access]]
"""What a view's ``access`` holds: action name (method name for a plain view) -> rules."""


def owns(principal: Principal, owner_id: str, *, or_scope: str | None = None) -> bool:
    """Whether what belongs to ``owner_id`` may be shown to ``principal``; for views of ``AnyUser``.

    A service with ``or_scope`` may see everybody's.
    """
    if principal.is_service:
        return or_scope is not None and or_scope in principal.scopes
    return principal.subject == owner_id


class DeclaredAccess(BasePermission):
    """Allow what the view's ``access`` declares for the current action, and nothing else."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        principal = bearer_of(request)
        action = getattr(view, "action", None) or (request.method or "").lower()
        declared: AccessRules = getattr(view, "access", {})
        if any(rule.allows(principal, view.kwargs) for rule in declared.get(action, ())):
            return True
        log.warning(
            "access_denied",
            actor=principal.actor if principal else None,
            act=principal.act if principal else None,
            action=f"{type(view).__name__}.{action}",
            method=request.method,
            path=request.path,
        )
        return False


class Anyone(BasePermission):
    """No rule: for views of libraries, such as the OpenAPI documents."""

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return True
