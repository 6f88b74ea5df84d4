"""Child processes that never outlive the process that started them."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1  # <sys/prctl.h>
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True, kw_only=True)
class User:
    """An account that a root process steps down to for one child."""

    name: str
    uid: int
    gid: int


def spawn(
    command: Sequence[str | Path],
    *,
    last_signal: signal.Signals,
    output: IO[bytes] | int,
    user: User | None = None,
    folder: Path = Path("/"),
    env: Mapping[str, str] | None = None,
    keep_open: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own.

    Its own session keeps a Ctrl-C in the terminal away from it: we stop children in our order.
    Call this from the main thread only: Linux sends ``last_signal`` when the *thread* that forked
    ends, not when the process does.

    Args:
        command: Program and arguments.
        last_signal: What the kernel sends to the child when we die without stopping it (Linux).
        output: Where its stdout and stderr go.
        user: Whom it runs as; ourselves when None.
        folder: Where it runs.
        env: Its environment; a copy of ours when None.
        keep_open: File descriptors it inherits.
    """
    return subprocess.Popen(  # noqa: S603 - a list, and every part is ours
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=env,
        pass_fds=keep_open,
        start_new_session=True,
        user=user.uid if user else None,
        group=user.gid if user else None,
        extra_groups=[] if user else None,
        # After the change of user on purpose: that would clear the setting. The function only makes
        # system calls, which is safe even while other threads hold locks.
        preexec_fn=die_with_parent(last_signal),  # noqa: PLW1509
    )


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether a child is gone; it is not reaped, so its number still names its session."""
    if process.returncode is not None:
        return True
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process.pid, options) is not None


def ask(process: subprocess.Popen[bytes], with_signal: int) -> None:
    """Send a signal to a child, unless it has ended."""
    if not has_ended(process):
        # Not Popen.send_signal: that reaps a child that has just ended.
        os.kill(process.pid, with_signal)


def collect(process: subprocess.Popen[bytes]) -> int:
    """End by force what is left of a child and of its own children, and say how it ended."""
    if process.returncode is None:
        # Before it is reaped: a zombie keeps its number from being given to somebody else.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def stop(
    process: subprocess.Popen[bytes], *, with_signal: signal.Signals, timeout_seconds: float
) -> int:
    """Ask one child to end, end it by force after ``timeout_seconds``, and say how it ended."""
    ask(process, with_signal)
    give_up = time.monotonic() + timeout_seconds
    while not has_ended(process) and time.monotonic() < give_up:
        time.sleep(0.02)
    return collect(process)


def die_with_parent(last_signal: signal.Signals) -> Callable[[], None]:
    """A ``preexec_fn``: the kernel will send the child ``last_signal`` when we end (Linux)."""
    parent = os.getpid()

    def ask_the_kernel() -> None:
        if _LIBC is None:
            return
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(last_signal), 0, 0, 0)
        if os.getppid() != parent:  # the parent ended between the fork and the line above
            os._exit(1)

    return ask_the_kernel
