"""The time a peer lives in, which a test may set."""

import time
from datetime import UTC, datetime

from tests.peers.store import Store


class Clock:
    """The real time, or one that stands still until it is moved."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self) -> int:
        """Seconds since 1970."""
        fixed = self._store.setting("clock")
        return int(time.time()) if fixed is None else int(fixed)

    def set(self, moment: int | None) -> None:
        """Let it stand at a moment; ``None`` makes it the real time again."""
        self._store.set_setting("clock", moment)


def iso(seconds: int) -> str:
    """A moment as JavaScript writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def parse(text: str) -> int:
    """A moment written in ISO 8601, UTC when it does not say."""
    moment = datetime.fromisoformat(text)
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())
