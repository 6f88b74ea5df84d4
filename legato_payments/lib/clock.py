"""The one place that reads the clock.

Interfaces (views, tasks, commands, admin) read it once and pass ``now`` down; services, queries and
SQL never ask for the time themselves, so a test can travel without patching PostgreSQL.
"""

from datetime import UTC, datetime


def now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)
