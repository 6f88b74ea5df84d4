"""Limits that all processes share, in Redis or Valkey, and what one process does without it."""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from threading import Lock
from typing import cast

import redis
import structlog
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from legato_payments.lib.throttling.gcra import Limit, LocalLimits, Verdict, standing

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 0.1
ANSWER_SECONDS = 0.1
"""Together less than 0.25 s: what a request may lose to a Redis that is away."""

PAUSE_SECONDS = 5.0
"""How long Redis is not asked again after it failed."""

# Both sides of a race run this whole, one after the other, on the server's own clock. Every number
# stays below 2**53, where a Lua number is still exact.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local before, waits, refused = {}, {}, false
for i, key in ipairs(KEYS) do
    local interval, window = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
    before[i] = math.max(tonumber(redis.call('GET', key)) or now, now)
    waits[i] = math.max(0, before[i] + interval - now - window)
    refused = refused or waits[i] > 0
end
local answer = {}
for i, key in ipairs(KEYS) do
    local after = before[i]
    if not refused then
        after = after + tonumber(ARGV[2 * i - 1])
        local life = math.ceil((after - now) / 1000)
        redis.call('SET', key, string.format('%.0f', after), 'PX', life)
    end
    answer[#answer + 1] = after - now
    answer[#answer + 1] = waits[i]
end
return answer
"""


class Circuit:
    """Keeps callers away from a server that has just failed: one of them asks again at a time."""

    def __init__(self, *, clock: Callable[[], float], pause_seconds: float = PAUSE_SECONDS) -> None:
        """Start closed: everybody may ask."""
        self._clock = clock
        self._pause = pause_seconds
        self._is_open = False
        self._ask_again_at = clock()
        self._lock = Lock()

    def lets_through(self) -> bool:
        """Whether this caller should ask the server."""
        if not self._is_open:
            return True
        with self._lock:
            now = self._clock()
            if now < self._ask_again_at:
                return False
            # The others go on without it until this caller knows more.
            self._ask_again_at = now + self._pause
            return True

    def failed(self) -> bool:
        """The server did not answer; says whether that is news."""
        with self._lock:
            is_news = not self._is_open
            self._is_open = True
            self._ask_again_at = self._clock() + self._pause
            return is_news

    def answered(self) -> bool:
        """The server answered: everybody may ask; says whether that is news."""
        if not self._is_open:
            return False
        with self._lock:
            is_news, self._is_open = self._is_open, False
            return is_news


class Limiter:
    """Admits requests by limits that all processes share, as long as Redis answers."""

    def __init__(
        self,
        url: str,
        *,
        prefix: str,
        clock: Callable[[], float] = time.monotonic,
        connect_seconds: float = CONNECT_SECONDS,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        """Connect to nothing yet.

        Args:
            url: Of Redis or Valkey.
            prefix: What our keys there begin with.
            clock: Seconds that only grow, for the circuit and the limits of this process.
            connect_seconds: How long a request waits for a connection.
            answer_seconds: How long it then waits for the answer.
        """
        client = redis.Redis.from_url(
            url,
            socket_connect_timeout=connect_seconds,
            socket_timeout=answer_seconds,
            # The client's own default is to try again for seconds.
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
        )
        self._script = client.register_script(_SCRIPT)
        self._prefix = prefix
        self._circuit = Circuit(clock=clock)
        self._local = LocalLimits(clock=clock)

    def admit(self, limits: Sequence[Limit]) -> Verdict | None:
        """Count a request against all limits, or against none when one refuses.

        Returns:
            ``None`` when Redis is away: ``admit_alone`` is all that can be said then.
        """
        if not self._circuit.lets_through():
            return None
        try:
            verdict = self._ask(limits)
        except (redis.RedisError, OSError) as error:
            if self._circuit.failed():
                # Never the text: it may hold the address with its password.
                log.warning("rate_limits_local", problem=type(error).__name__)
            return None
        if self._circuit.answered():
            log.info("rate_limits_shared_again")
        return verdict

    def admit_alone(self, limits: Sequence[Limit]) -> Verdict:
        """As ``admit``, by what this process has seen itself, at half the quota."""
        return self._local.admit([Limit(limit.policy.halved(), limit.key) for limit in limits])

    def _ask(self, limits: Sequence[Limit]) -> Verdict:
        numbers: list[int] = []
        for limit in limits:
            numbers += [limit.policy.interval_micros, limit.policy.window_micros]
        keys = [f"{self._prefix}:rate:{limit.key}" for limit in limits]
        answer = cast("list[int]", self._script(keys=keys, args=numbers))
        return Verdict(
            tuple(
                standing(limit.policy, ahead_micros=ahead, wait_micros=wait)
                for limit, ahead, wait in zip(limits, answer[::2], answer[1::2], strict=True)
            )
        )


def limiter() -> Limiter:
    """The limiter of this process, for the server that ``REDIS_URL`` names now."""
    return _limiter(settings.REDIS_URL, settings.CACHES["default"]["KEY_PREFIX"])


@lru_cache(maxsize=4)
def _limiter(url: str, prefix: str) -> Limiter:
    return Limiter(url, prefix=prefix)
