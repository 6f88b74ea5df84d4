"""A stack that is asked to stop, or loses a part of itself, leaves no process behind."""

import os
import signal

import pytest

from tests.local.small_stack import WELCOME
from tests.local.stacks import Stack

pytestmark = pytest.mark.slow


def test_ctrl_c_stops_everything_in_reverse_order(stack: Stack) -> None:
    stack.start_and_wait()

    stack.send(signal.SIGINT)

    assert stack.wait() == 0
    names = ["worker", "web", "Valkey", "PostgreSQL"]
    places = [stack.output.index(f"{name} stopped") for name in names]
    assert places == sorted(places)
    assert stack.has_left_nobody()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_requests_to_end_do_the_same(our_stack: Stack, number: signal.Signals) -> None:
    our_stack.start_and_wait()

    our_stack.send(number)

    assert our_stack.wait() == 0
    assert our_stack.has_left_nobody()


def test_can_be_stopped_before_it_is_ready(our_stack: Stack) -> None:
    our_stack.start()
    our_stack.wait_until_exists(our_stack.state / "pg18.new")

    our_stack.send(signal.SIGINT)

    assert our_stack.wait() == 0
    assert WELCOME not in our_stack.output
    assert our_stack.has_left_nobody()


def test_a_second_ctrl_c_forces_a_child_that_does_not_listen(our_stack: Stack) -> None:
    our_stack.start_and_wait("--stubborn")

    our_stack.send(signal.SIGINT)
    our_stack.wait_until_says("Ctrl-C again")
    our_stack.send(signal.SIGINT)

    assert our_stack.wait() == 0
    assert "Stopping by force." in our_stack.output
    assert "worker stopped (SIGKILL)" in our_stack.output
    assert our_stack.has_left_nobody()


def test_a_repeated_sigterm_is_still_a_clean_stop(our_stack: Stack) -> None:
    our_stack.start_and_wait()

    our_stack.send(signal.SIGTERM)
    our_stack.send(signal.SIGTERM)

    assert our_stack.wait() == 0
    assert "by force." not in our_stack.output.replace("again does it by force.", "")


def test_a_service_that_ends_takes_the_stack_with_it(our_stack: Stack) -> None:
    our_stack.start_and_wait()

    os.kill(our_stack.pid_of("worker"), signal.SIGKILL)

    assert our_stack.wait() == 1
    assert "worker has ended (SIGKILL)" in our_stack.output
    assert our_stack.has_left_nobody()


def test_a_killed_runner_leaves_nobody_and_the_next_start_works(stack: Stack) -> None:
    stack.start_and_wait()
    stack.execute("CREATE TABLE kept AS SELECT 1 AS row")

    stack.send(signal.SIGKILL)
    stack.wait()
    stack.start_and_wait()

    assert stack.execute("SELECT row FROM kept") == [(1,)]


def test_a_killed_postgresql_stops_the_stack_and_the_next_start_recovers(stack: Stack) -> None:
    stack.start_and_wait()
    stack.execute("CREATE TABLE kept AS SELECT 1 AS row")

    os.kill(stack.pid_of("PostgreSQL"), signal.SIGKILL)

    assert stack.wait() == 1
    assert "PostgreSQL has ended (SIGKILL)" in stack.output
    assert stack.has_left_nobody()
    stack.start_and_wait()
    assert stack.execute("SELECT row FROM kept") == [(1,)]
