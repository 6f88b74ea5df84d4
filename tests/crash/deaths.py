"""A process that dies where it is told to: forked from the warm test, armed, killed by itself."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.db import connections

from legato_payments.lib import failpoints

ROUNDS = 10
"""How often a process dies at each point."""

_NAMED = re.compile(r'failpoint\("([a-z_.]+)"\)')


def every_failpoint() -> set[str]:
    """The names of all fail points in the code."""
    apps = [Path(settings.BASE_DIR, app) for app in ("payments", "revenue", "access")]
    return {
        name
        for app in apps
        for path in app.rglob("*.py")
        for name in _NAMED.findall(path.read_text())
    }


def die_at(point: str, operation: Callable[[], object]) -> None:
    """Run ``operation`` in a process of its own that must die at ``point``.

    A fork of the warm process takes milliseconds, a fresh interpreter seconds.
    """
    # The child must not inherit a connection: closing it there would end ours.
    connections.close_all()
    child = os.fork()
    if child == 0:
        try:
            failpoints.arm(point)
            operation()
        finally:
            # Only reached when the point was not: no handler, no teardown of the parent's.
            os._exit(77)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"survived {point}: exit {os.waitstatus_to_exitcode(status)}"
    assert os.WTERMSIG(status) == signal.SIGKILL
