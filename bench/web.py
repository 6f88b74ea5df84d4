"""Real HTTP: the service behind a WSGI server, asked by processes that keep their connections."""

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from bench import data, workers
from legato_payments.lib.api import tokens

WSGI = "legato_payments.wsgi:application"
CLIENTS = 8
READERS = 400


def command(server: str, port: int) -> list[str]:
    """How ``make up`` starts gunicorn, and the nearest to it with granian."""
    if server == "gunicorn":
        return [
            sys.executable, "-m", "gunicorn", WSGI, "--bind", f"127.0.0.1:{port}",
            "--workers", "2", "--worker-class", "gthread", "--threads", "4", "--no-control-socket",
            "--log-level", "warning",
        ]  # fmt: skip
    return [
        sys.executable, "-m", "granian", WSGI, "--interface", "wsgi", "--host", "127.0.0.1",
        "--port", str(port), "--workers", "2", "--blocking-threads", "4", "--no-access-log",
        "--log-level", "warning",
    ]  # fmt: skip


@contextmanager
def serving(server: str) -> Iterator[int]:
    """The service on a free port, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    process = subprocess.Popen(command(server, port), env={**os.environ, "DB_POOL_MAX_SIZE": "8"})
    try:
        _wait(port)
        yield port
    finally:
        process.terminate()
        process.wait(20)


def get(port: int, path: str) -> workers.Operation:
    """GETs of random readers' own pages; ``{user}`` stands for the reader."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    bearers = _bearers()

    def once() -> None:
        user = random.choice(list(bearers))
        connection.request("GET", path.format(user=user), headers=bearers[user])
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200, body

    return once


def spend(port: int) -> workers.Operation:
    """Spends of random readers, each with a key of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    bearers = _bearers()

    def once() -> None:
        user = random.choice(list(bearers))
        chapter = f"c-{random.randint(1, data.CHAPTERS)}"
        body = json.dumps({"content_id": chapter, "expected_price": data.PRICE})
        headers = {
            **bearers[user],
            "Content-Type": "application/json",
            "Idempotency-Key": uuid4().hex,
        }
        path = f"/api/v1/payments/users/{user}/spend-coins"
        connection.request("POST", path, body=body, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status in (200, 201), text

    return once


_cached: dict[str, dict[str, str]] = {}


def _bearers() -> dict[str, dict[str, str]]:
    if not _cached:
        for number in range(1, READERS + 1):
            token = tokens.issue(f"r-{number}")
            _cached[f"r-{number}"] = {"Authorization": f"Bearer {token}"}
    return _cached


def _wait(port: int) -> None:
    for _ in range(300):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise AssertionError("the web server does not answer")
