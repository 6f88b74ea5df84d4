"""The generic cell rate algorithm: one number per key, the theoretical arrival time.

ITU-T I.371, annex A. Each request moves the key's time by one interval; a request that would move
it further than one window ahead of now is refused and moves nothing. The quota can so be used at
once, and comes back one by one.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

from legato_payments.lib.throttling.policies import MICROS, Policy


@dataclass(frozen=True, slots=True)
class Limit:
    """A policy, and whom this request counts for."""

    policy: Policy
    key: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How one limit stands after a request."""

    policy: Policy
    remaining: int
    """Requests that would pass right now."""
    reset_seconds: int
    """Until the whole quota is back."""
    retry_seconds: int = 0
    """Until one request would pass; 0 when this limit let the request through."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request passes, and how each of its limits stands."""

    standings: tuple[Standing, ...]

    @property
    def refused(self) -> tuple[Standing, ...]:
        """The limits that do not let the request through."""
        return tuple(standing for standing in self.standings if standing.retry_seconds)

    @property
    def allowed(self) -> bool:
        """Whether every limit lets it through; it was counted only then."""
        return not self.refused


def standing(policy: Policy, *, ahead_micros: int, wait_micros: int) -> Standing:
    """What a key's time means to a caller.

    Args:
        ahead_micros: How far the key's time is ahead of now.
        wait_micros: How much too far one more request would have moved it; 0 when it passed.
    """
    left = max(0, policy.window_micros - ahead_micros) // policy.interval_micros
    return Standing(
        policy,
        # The interval is rounded down, so that the last fraction of a window is no request.
        remaining=min(left, policy.quota),
        reset_seconds=_seconds(ahead_micros),
        retry_seconds=_seconds(wait_micros),
    )


class LocalLimits:
    """The limits of one process, in its memory: the newest ``max_keys`` callers."""

    def __init__(self, *, clock: Callable[[], float], max_keys: int = 10_000) -> None:
        """Count nothing yet.

        Args:
            clock: Seconds that only grow, such as ``time.monotonic``.
            max_keys: Above it the one not seen for longest is forgotten; memory stays bounded.
        """
        self._clock = clock
        self._max_keys = max_keys
        self._times: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def admit(self, limits: Sequence[Limit]) -> Verdict:
        """Count a request against all limits, or against none when one refuses."""
        now = int(self._clock() * MICROS)
        with self._lock:
            before = [max(self._times.get(limit.key, now), now) for limit in limits]
            after = [
                time + limit.policy.interval_micros
                for time, limit in zip(before, limits, strict=True)
            ]
            waits = [
                max(0, time - now - limit.policy.window_micros)
                for time, limit in zip(after, limits, strict=True)
            ]
            if not any(waits):
                self._remember(limits, after)
        times = before if any(waits) else after
        return Verdict(
            tuple(
                standing(limit.policy, ahead_micros=time - now, wait_micros=wait)
                for limit, time, wait in zip(limits, times, waits, strict=True)
            )
        )

    def _remember(self, limits: Sequence[Limit], times: Sequence[int]) -> None:
        for limit, time in zip(limits, times, strict=True):
            self._times[limit.key] = time
            self._times.move_to_end(limit.key)
        while len(self._times) > self._max_keys:
            self._times.popitem(last=False)


def _seconds(micros: int) -> int:
    # Rounded up: after so many seconds it is true for certain.
    return -(-micros // MICROS)
