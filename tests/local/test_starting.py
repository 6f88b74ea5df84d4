"""A start that cannot go on says why in one line; one that can goes on where the last one ended."""

import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import pytest

from legato_payments.local import accounts, binaries
from legato_payments.local.processes import User
from tests.local.stacks import Stack

RUN = [sys.executable, "-m", "legato_payments.local", "run", "--"]


@pytest.mark.slow
def test_a_second_start_is_refused_in_one_line(stack: Stack) -> None:
    stack.start_and_wait()

    second = stack.start_another()

    assert second.returncode == 1
    assert second.stderr == f"Already running (pid {stack.pid}).\n"
    assert stack.execute("SELECT 1") == [(1,)]


def test_a_taken_port_is_refused_in_one_line(our_stack: Stack) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", our_stack.port))
        other.listen()

        refused = our_stack.start_another()

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Port {our_stack.port} of 127.0.0.1 cannot be used")
    assert refused.stderr.count("\n") == 1
    assert not (our_stack.state / "pg18").exists()


@pytest.mark.slow
def test_starts_after_a_first_start_was_killed_while_making_the_cluster(stack: Stack) -> None:
    stack.start()
    # Written early by initdb, so its presence never means that a cluster is complete.
    stack.wait_until_exists(stack.state / "pg18.new" / "PG_VERSION")
    stack.send(signal.SIGKILL)
    stack.wait()
    assert not (stack.state / "pg18").exists()

    stack.start_and_wait()

    assert stack.execute("SELECT 1") == [(1,)]


@pytest.mark.slow
def test_starts_although_a_stale_pid_file_names_a_living_process(stack: Stack) -> None:
    stack.start_and_wait()
    pid_file = stack.state / "pg18" / "postmaster.pid"
    first, _, rest = pid_file.read_text().partition("\n")
    os.kill(int(first), signal.SIGKILL)
    stack.wait()
    # The number went to somebody of the same user meanwhile: here, to a sleeping process.
    with stack.sleeper(as_owner_of=stack.state / "pg18") as pid:
        pid_file.write_text(f"{pid}\n{rest}")

        stack.start_and_wait()

    assert stack.execute("SELECT 1") == [(1,)]


def test_refuses_data_of_another_user_in_one_line(our_stack: Stack, only_as_root: object) -> None:
    data = our_stack.state / "pg18"
    data.mkdir()
    os.chown(data, 12345, 12345)

    refused = our_stack.start_another()

    assert refused.returncode == 1
    assert refused.stderr.startswith(f"{data} belongs to another user")
    assert "LEGATO_STATE_DIR" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert data.stat().st_uid == 12345


def test_root_refuses_a_closed_folder_in_one_line(our_stack: Stack, only_as_root: object) -> None:
    closed = our_stack.state / "closed"
    closed.mkdir(mode=0o700)

    refused = our_stack.start_another(LEGATO_STATE_DIR=str(closed / "state"))

    assert refused.returncode == 1
    assert "LEGATO_STATE_DIR" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_root_runs_a_copy_of_binaries_that_nobody_cannot_reach(
    our_stack: Stack, folder: Path, only_as_root: User
) -> None:
    bundled = binaries.postgres_folder()
    package = bundled.parent.parent
    closed = folder / "closed"
    shutil.copytree(package / bundled.parent.name, closed / package.name / bundled.parent.name)
    shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs")
    closed.chmod(0o700)
    hidden = closed / package.name / bundled.parent.name / "bin"

    done = our_stack.run([*RUN, "true"], LEGATO_PG_BIN=str(hidden))

    assert (done.stderr, done.returncode) == ("", 0)
    assert (our_stack.run_folder / "postgresql").is_dir()
    assert accounts.reachable_binaries(bundled, folder, None) == bundled


@pytest.mark.slow
@pytest.mark.parametrize("code", [0, 3])
def test_runs_a_command_beside_servers_of_its_own(our_stack: Stack, code: int) -> None:
    script = (
        "import sys, psycopg; from legato_payments.local import paths;"
        "row = psycopg.connect(paths.database_url('legato_app')).execute('SELECT current_user');"
        f"print(*row.fetchone()); sys.exit({code})"
    )

    done = our_stack.run([*RUN, sys.executable, "-c", script])

    assert (done.stdout, done.stderr, done.returncode) == ("legato_app\n", "", code)
    assert our_stack.has_left_nobody()


@pytest.mark.slow
def test_runs_a_command_beside_the_servers_of_a_running_stack(our_stack: Stack) -> None:
    our_stack.start_and_wait()
    our_stack.execute("CREATE TABLE seen AS SELECT 1 AS row")
    script = (
        "import psycopg; from legato_payments.local import paths;"
        "psycopg.connect(paths.database_url('legato')).execute('TABLE seen')"
    )

    done = our_stack.run([*RUN, sys.executable, "-c", script])

    assert done.returncode == 0, done.stderr
    assert our_stack.execute("TABLE seen") == [(1,)]
