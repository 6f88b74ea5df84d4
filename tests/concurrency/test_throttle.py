"""A limit of 20 and 64 threads at once: exactly 20 pass"""

from typing import Any

from legato_payments.lib.throttling.gcra import Limit, LocalLimits, Verdict
from legato_payments.lib.throttling.limiter import Limiter
from legato_payments.lib.throttling.policies import Policy
from tests.concurrency.threads import Crowd

QUOTA = 20
THREADS = 64
ROUNDS = 4

LIMIT = Limit(Policy("money", QUOTA, 24 * 3600), "money:reader-1")
"""So slow to come back that no request does while the threads run."""


def test_exactly_the_quota_passes(settings: Any, db: None) -> None:
    shared = _patient(settings)

    verdicts = _race(lambda: shared.admit([LIMIT]))

    passed = [verdict for verdict in verdicts if verdict.allowed]
    assert len(verdicts) == THREADS * ROUNDS
    # Everybody who passed was told another number: none was given twice.
    assert sorted(verdict.standings[0].remaining for verdict in passed) == list(range(QUOTA))


def test_two_limits_are_counted_together_or_not_at_all(settings: Any, db: None) -> None:
    shared = _patient(settings)
    wide = Limit(Policy("address", 100, 24 * 3600), "address:203.0.113.9")

    verdicts = _race(lambda: shared.admit([LIMIT, wide]))

    assert sum(verdict.allowed for verdict in verdicts) == QUOTA
    assert min(verdict.standings[1].remaining for verdict in verdicts) == 100 - QUOTA


def test_exactly_the_quota_passes_in_one_process_without_redis(db: None) -> None:
    local = LocalLimits(clock=lambda: 0.0)

    verdicts = _race(lambda: local.admit([LIMIT]))

    assert sum(verdict.allowed for verdict in verdicts) == QUOTA


def _patient(settings: Any) -> Limiter:
    """64 connections at once may take longer to open than a request would wait."""
    prefix = settings.CACHES["default"]["KEY_PREFIX"]
    return Limiter(settings.REDIS_URL, prefix=prefix, connect_seconds=30, answer_seconds=30)


def _race(admit: Any) -> list[Verdict]:
    def work(_number: int) -> list[Verdict]:
        found = [admit() for _ in range(ROUNDS)]
        assert None not in found, "Redis did not answer"
        return found

    return [verdict for found in Crowd(THREADS).run(work) for verdict in found]
