"""Named places where a test can let the process die, to see what is left behind.

``failpoint("settle.posted")`` does nothing, unless a test armed that name in a process of its own:
then the process gets SIGKILL there and then, as from a power cut. Nothing in production arms one.
"""

import os
import signal

_armed: str | None = None


def arm(name: str) -> None:
    """Die at ``name`` from now on, in this process."""
    global _armed  # noqa: PLW0603 - a process dies at one place, and only once
    _armed = name


def failpoint(name: str) -> None:
    """A place to die at; free of cost unless armed."""
    if _armed == name:
        os.kill(os.getpid(), signal.SIGKILL)
