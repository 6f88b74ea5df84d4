"""Throwaway PostgreSQL and Valkey for the whole run, one database per process.

``DATABASE_URL`` or ``REDIS_URL`` set: that server is used instead, and nothing is started for it.
"""

import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.test import TransactionTestCase
from hypothesis import settings as hypothesis_settings
from pytest_django.plugin import DjangoDbBlocker

from legato_payments.local import accounts, binaries, keys, paths, servers
from tests import databases

RUN_FOLDER = "legato-test-"
"""How settings/test.py names the folder of a run, which is removed at its end."""

SUMMARY = "summary"
"""The property of a test's report that holds its line at the end of the run."""

CANNOT_START = (
    accounts.Unreachable,
    binaries.Missing,
    databases.NotAllowed,
    servers.NotStarted,
)
"""The message says what to do about it."""

# A busy machine must not turn a property red: how long an example takes proves nothing.
hypothesis_settings.register_profile("legato", deadline=None)
hypothesis_settings.load_profile("legato")

_started: list[servers.Postgres | servers.Valkey] = []
_lock: list[int] = []


def pytest_configure(config: pytest.Config) -> None:
    """Start the servers, in the one process that is not an xdist worker."""
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    # A run that is told to end cleans up like one that is interrupted.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    if not paths.run_dir().name.startswith(RUN_FOLDER):
        pytest.exit(
            "These settings point at a stack that is not the tests' own: unset "
            "DJANGO_SETTINGS_MODULE and LEGATO_RUN_DIR.",
            returncode=1,
        )
    _sweep_run_folders()
    try:
        _start_servers(paths.run_dir())
    except CANNOT_START as error:
        pytest.exit(str(error), returncode=1)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop them and leave nothing behind."""
    if not _lock:  # a worker, or a run that did not get as far as making something
        return
    if os.environ.get("DATABASE_URL"):
        with suppress(databases.NotAllowed):
            databases.drop_all()
    for server in reversed(_started):
        server.stop()
    shutil.rmtree(paths.run_dir(), ignore_errors=True)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests have to say of themselves, also when they pass."""
    said = {
        f"{report.nodeid.partition('::')[0]}: {text}"
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, text in getattr(report, "user_properties", ())
        if name == SUMMARY
    }
    for line in sorted(said):
        terminalreporter.write_line(line)


@pytest.fixture
def summarise(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Says a line that stands at the end of the run's output, whichever process ran the test."""
    return partial(record_property, SUMMARY)


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """This process has its own migrated database, and committing tests are cleaned up after."""
    with django_db_blocker.unblock():
        databases.make_worker_database()
        flush = databases.Flush.remember()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: flush.restore())
        yield


@pytest.fixture(scope="session")
def redis_of_this_process() -> Iterator[redis.Redis]:
    """A client of the test server, to look at what the code under test wrote."""
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        yield client


@pytest.fixture(autouse=True)
def _nothing_left_in_redis(redis_of_this_process: redis.Redis) -> Iterator[None]:
    yield
    prefix = settings.CACHES["default"]["KEY_PREFIX"]
    # The colon ends the worker's number: gw1 must not clear what gw10 wrote.
    if left := list(redis_of_this_process.scan_iter(f"{prefix}:*", count=1000)):
        redis_of_this_process.delete(*left)


def _start_servers(run: Path) -> None:
    accounts.own_folder(run, None)
    keys.signing_key_file(run)
    _lock.append(os.open(run / "lock", os.O_CREAT | os.O_RDWR, 0o600))
    fcntl.flock(_lock[0], fcntl.LOCK_EX)
    if os.environ.get("DATABASE_URL"):
        databases.drop_all()
    else:
        _start(servers.Postgres(run, run, durable=False))
    if not os.environ.get("REDIS_URL"):
        _start(servers.Valkey(run, run, durable=False))


def _start(server: servers.Postgres | servers.Valkey) -> None:
    server.start()
    _started.append(server)


def _sweep_run_folders() -> None:
    """Remove the folders of runs that were killed: their lock is free, and they are not new."""
    an_hour_ago = time.time() - 3600
    for folder in Path(tempfile.gettempdir()).glob(f"{RUN_FOLDER}*"):
        if folder.stat().st_uid != os.getuid() or folder.stat().st_mtime > an_hour_ago:
            continue
        with (folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(folder, ignore_errors=True)
