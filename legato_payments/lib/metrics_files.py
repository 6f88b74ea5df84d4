"""Counters of several processes in one folder, so that any of them can answer for all.

``PROMETHEUS_MULTIPROC_DIR`` names the folder; without it every process counts for itself. Each
process writes a file of its own, under the lowest number that no living process holds, and whoever
takes a number over goes on counting in the same file. So a process that ends, however it ends,
takes nothing with it; there are never more files than there were processes at once; and containers
that share the folder do not mix up their process ids.
"""

import fcntl
import itertools
import os
from pathlib import Path

from prometheus_client import values

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The name that ``prometheus_client`` itself reads."""


class Slots:
    """Numbers that living processes hold, each by a lock that the kernel releases when they end."""

    def __init__(self, folder: Path) -> None:
        """Hold nothing yet."""
        self._folder = folder
        self._process = 0
        self._number = 0
        self._descriptor: int | None = None

    def mine(self) -> int:
        """The number of this process; a forked child gets one of its own."""
        if self._process != os.getpid():
            if self._descriptor is not None:
                # The child's copy: the lock stays with the parent, who has it open too.
                os.close(self._descriptor)
            self._number, self._descriptor = self._take()
            self._process = os.getpid()
        return self._number

    def _take(self) -> tuple[int, int]:
        for number in itertools.count():
            path = self._folder / f"slot-{number}.lock"
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                return number, descriptor
        raise AssertionError


def folder() -> Path | None:
    """Where processes share their counters, if they do."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def share() -> None:
    """Count in the shared folder from now on; to be called before the first metric is defined."""
    if (shared := folder()) is not None:
        shared.mkdir(mode=0o700, parents=True, exist_ok=True)
        kind = values.MultiProcessValue(Slots(shared).mine)  # type: ignore[no-untyped-call]
        values.ValueClass = kind
