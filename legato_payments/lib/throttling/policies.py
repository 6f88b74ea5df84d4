"""How much of what in which time: the setting ``RATE_LIMITS``."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured

MICROS = 1_000_000

_QUOTA = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,6})")


class RateClass(StrEnum):
    """Kinds of requests that are counted apart, each with a policy of its name."""

    READ = "read"
    """GET and HEAD of a user."""
    WRITE = "write"
    """Any other method of a user."""
    MONEY = "money"
    """A POST of a user that moves or reserves value; never refused because Redis is away."""
    SERVICE = "service"
    """Whatever a service of the platform sends."""
    ANONYMOUS = "anonymous"
    """Whatever carries no valid token, by address."""
    WEBHOOK = "webhook"
    """Deliveries of gateways, by address."""
    ADDRESS = "address"
    """All requests of users and strangers from one address together."""


@dataclass(frozen=True, slots=True)
class Policy:
    """At most ``quota`` requests at once, coming back evenly over ``window_seconds``."""

    name: str
    quota: int
    window_seconds: int

    @property
    def window_micros(self) -> int:
        """The window in microseconds: what the arithmetic is done in."""
        return self.window_seconds * MICROS

    @property
    def interval_micros(self) -> int:
        """How long one request takes to come back, microseconds, rounded down.

        Whole numbers, because a Lua number is a double: the quota fits the window to the last one.
        """
        return self.window_micros // self.quota

    def halved(self) -> "Policy":
        """The policy of one process that cannot ask the others; at least one request."""
        return replace(self, quota=max(1, self.quota // 2))


def policy(rate_class: RateClass) -> Policy:
    """The policy of a class.

    Raises:
        ImproperlyConfigured: ``RATE_LIMITS`` lacks it, or it is not ``quota/seconds``.
    """
    text = str(settings.RATE_LIMITS.get(rate_class, ""))
    found = _QUOTA.fullmatch(text)
    # More than one request a microsecond is no limit, and would make the interval zero.
    if found is None or int(found[1]) > int(found[2]) * MICROS:
        raise ImproperlyConfigured(
            f'RATE_LIMITS[{str(rate_class)!r}] is {text!r}, not "quota/seconds" such as "60/60"'
        )
    return Policy(str(rate_class), int(found[1]), int(found[2]))


@checks.register(checks.Tags.security)
def check_policies(**_: Any) -> list[checks.CheckMessage]:
    """legato.E014: a policy that cannot be read, or one for a class that does not exist."""
    return [
        checks.Error(fault, hint='RATE_LIMITS="read=600/60,money=60/60"', id="legato.E014")
        for fault in _faults()
    ]


def _faults() -> Iterator[str]:
    for rate_class in RateClass:
        try:
            policy(rate_class)
        except ImproperlyConfigured as error:
            yield f"{error}."
    for name in settings.RATE_LIMITS.keys() - {str(known) for known in RateClass}:
        yield f"RATE_LIMITS names {name!r}, which is no class of requests."
