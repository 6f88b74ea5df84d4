"""One operation in several processes at once."""

import os
import struct
import time
from collections.abc import Callable

from django.db import connections

type Operation = Callable[[], object]


def run(make: Callable[[int], Operation], *, processes: int, seconds: float) -> float:
    """Operations per second of ``processes`` together.

    Args:
        make: Called in each process with its number; gives what is repeated.
    """
    # A child must not inherit a connection.
    connections.close_all()
    reader, writer = os.pipe()
    start = time.monotonic() + 0.2 + 0.05 * processes
    children = []
    for number in range(processes):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.close(reader)
                os.write(writer, struct.pack("d", _loop(make(number), start, seconds)))
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    os.close(writer)
    answers = b""
    while block := os.read(reader, 4096):
        answers += block
    os.close(reader)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    assert codes == [0] * processes, f"a process failed: {codes}"
    return sum(rate for (rate,) in struct.iter_unpack("d", answers))


def _loop(operation: Operation, start: float, seconds: float) -> float:
    operation()  # connects
    while time.monotonic() < start:
        time.sleep(0.005)
    began = time.monotonic()
    done = 0
    while (elapsed := time.monotonic() - began) < seconds:
        operation()
        done += 1
    return done / elapsed
