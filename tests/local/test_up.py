"""``make up``: the whole service on one machine, from nothing to stopped."""

import http.client
import signal
import sys

import pytest

from access.management.commands.seed import STAFF
from legato_payments.local import banner
from tests.local.stacks import Stack


@pytest.mark.slow
def test_everything_answers_and_then_stops(our_stack: Stack) -> None:
    url = f"http://127.0.0.1:{our_stack.port}"
    our_stack.start(module="legato_payments.local")
    our_stack.wait_until_says("Ready. Ctrl-C stops everything.")

    assert f"{url}/api/docs" in our_stack.output
    assert f"{banner.FINANCE[0]} / {banner.FINANCE[1]}" in our_stack.output
    assert _status(our_stack, "/readyz") == 200
    assert _status(our_stack, "/api/docs") == 200
    assert _status(our_stack, "/admin/login/") == 200
    our_stack.wait_until_says("celery@")
    as_application = "SELECT 1 FROM pg_stat_activity WHERE usename = 'legato_app' LIMIT 1"
    assert our_stack.execute(as_application) == [(1,)]

    smoke = our_stack.run([sys.executable, "-m", "legato_payments.local.smoke"])
    assert smoke.returncode == 0, smoke.stderr
    assert "ok  every coin is accounted for" in smoke.stdout

    our_stack.send(signal.SIGINT)

    assert our_stack.wait() == 0
    assert our_stack.has_left_nobody()


def _status(stack: Stack, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_smoke_says_when_nothing_runs(our_stack: Stack) -> None:
    smoke = our_stack.run([sys.executable, "-m", "legato_payments.local.smoke"])

    assert smoke.returncode == 1
    assert smoke.stderr.startswith(f"Nothing answers on port {our_stack.port}")


def test_the_seed_makes_the_staff_that_is_announced() -> None:
    announced = banner.welcome(url="http://x", admin_path="admin/")

    for name, (password, _) in STAFF.items():
        assert f"{name} / {password}" in announced
