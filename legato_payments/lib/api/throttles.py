"""Which limits a request of the API meets, and how the caller learns of them (api.md, section 4).

One round trip to Redis per request counts it for its principal and for its address together.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework.exceptions import Throttled
from rest_framework.request import Request

from legato_payments.lib.api.auth import Principal
from legato_payments.lib.metrics import RATE_LIMITED
from legato_payments.lib.throttling.addresses import client_address
from legato_payments.lib.throttling.gcra import Limit, Standing, Verdict
from legato_payments.lib.throttling.limiter import limiter
from legato_payments.lib.throttling.policies import RateClass, policy

_SAFE_METHODS = {"GET", "HEAD"}


class RateLimited(Throttled):
    """The caller sent more than its quota (429); ``wait`` is the seconds until one would pass."""

    def __init__(self, refused: Standing) -> None:
        """Tell which limit it was; of several, the one that takes longest."""
        rule = refused.policy
        super().__init__(
            wait=refused.retry_seconds,
            detail=f"The limit {rule.name!r} is {rule.quota} requests in {rule.window_seconds} s.",
        )


def admit(request: Request, principal: Principal | None, *, declared: RateClass | None) -> Verdict:
    """Count a request, or say that it is one too many.

    Args:
        principal: Who sent it; ``None`` when no valid token says so.
        declared: The class that the view gives to the action; by the method when ``None``.

    Returns:
        The limits the caller met, for ``headers``; none when limits are switched off, or for a
        money operation while Redis is away.
    """
    if not settings.RATE_LIMITS_ENABLED:
        return Verdict(())
    limits = _limits(request, principal, declared)
    verdict = limiter().admit(limits)
    if verdict is None:
        # Whoever can pay must be able to, whatever else has failed.
        if declared is RateClass.MONEY and principal is not None:
            return Verdict(())
        verdict = limiter().admit_alone(limits)
    for standing in verdict.refused:
        RATE_LIMITED.labels(policy=standing.policy.name).inc()
    return verdict


def headers(verdict: Verdict) -> dict[str, str]:
    """``RateLimit-Policy`` and ``RateLimit``: structured lists, one member per limit.

    q is the quota, w the window, r what is left, t the seconds until all of it is back.
    https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-09
    """
    if not verdict.standings:
        return {}
    return {
        "RateLimit-Policy": ", ".join(
            f'"{s.policy.name}";q={s.policy.quota};w={s.policy.window_seconds}'
            for s in verdict.standings
        ),
        "RateLimit": ", ".join(
            f'"{s.policy.name}";r={s.remaining};t={s.reset_seconds}' for s in verdict.standings
        ),
    }


def refuse(verdict: Verdict) -> None:
    """Raise unless every limit let the request through.

    Raises:
        RateLimited: 429 with ``Retry-After``.
    """
    if not verdict.allowed:
        raise RateLimited(max(verdict.refused, key=lambda standing: standing.retry_seconds))


def rate_class_of(
    method: str, principal: Principal | None, declared: RateClass | None
) -> RateClass:
    """What kind of request it is: whoever sends it first, then what the view says, then HTTP."""
    if declared is RateClass.WEBHOOK:
        return declared
    if principal is None:
        return RateClass.ANONYMOUS
    if principal.is_service:
        return RateClass.SERVICE
    if declared is not None:
        return declared
    return RateClass.READ if method in _SAFE_METHODS else RateClass.WRITE


def declared_class(view: Any) -> RateClass | None:
    """What a view's ``rate_classes`` say of its current action."""
    declared: Mapping[str, RateClass] = getattr(view, "rate_classes", {})
    return declared.get(getattr(view, "action", None) or "")


def _limits(
    request: Request, principal: Principal | None, declared: RateClass | None
) -> list[Limit]:
    rate_class = rate_class_of(request.method or "", principal, declared)
    rule = policy(rate_class)
    if principal is not None and rate_class is not RateClass.WEBHOOK:
        own = Limit(rule, f"{rate_class}:{principal.subject}")
        # All services come from a few addresses of the platform itself.
        if principal.is_service:
            return [own]
        return [own, _of_address(RateClass.ADDRESS, request)]
    if rate_class is RateClass.WEBHOOK:
        return [_of_address(rate_class, request)]
    return [_of_address(rate_class, request), _of_address(RateClass.ADDRESS, request)]


def _of_address(rate_class: RateClass, request: Request) -> Limit:
    # DRF's request passes on whatever it has not itself.
    return Limit(policy(rate_class), f"{rate_class}:{client_address(request._request)}")  # noqa: SLF001
