"""One stack per state folder: a lock for the runner's life, and one its children hold together.

Both are ``flock`` locks: the kernel frees them when the last process that holds one ends, however
it ends.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class AlreadyRunning(Exception):
    """Another runner works on this state folder."""


class LeftOvers(Exception):
    """Processes of an earlier runner do not end."""


@contextmanager
def hold(run: Path, *, pause: Callable[[float], None], patience_seconds: float) -> Iterator[int]:
    """Be the only runner.

    Args:
        run: The run folder.
        pause: How to wait for the children of a runner that was killed.
        patience_seconds: For how long.

    Yields:
        A file descriptor that every child must inherit, and where ``note`` writes.

    Raises:
        AlreadyRunning: At once.
        LeftOvers: A killed runner's children are still there after ``patience_seconds``.
    """
    with (run / "lock").open("a+") as mine, (run / "children").open("a+") as shared:
        if not _take(mine.fileno()):
            mine.seek(0)
            raise AlreadyRunning(f"Already running (pid {mine.read().strip() or 'unknown'}).")
        _write(mine.fileno(), str(os.getpid()))

        give_up = time.monotonic() + patience_seconds
        while not _take(shared.fileno()):
            if time.monotonic() > give_up:
                shared.seek(0)
                names = ", ".join(shared.read().split("\n")).strip(", ")
                raise LeftOvers(f"Processes of an earlier run do not end: {names}.")
            pause(0.1)
        _write(shared.fileno(), "")
        yield shared.fileno()


def note(descriptor: int, text: str) -> None:
    """Write down who inherited the children's lock, for the message of ``LeftOvers``."""
    os.write(descriptor, f"{text}\n".encode())


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.write(descriptor, text.encode())
