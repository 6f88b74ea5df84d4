"""PostgreSQL and Valkey of one benchmark run, durable, in a folder that is removed afterwards."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
import psycopg
from django.core.management import call_command

from legato_payments.local import accounts, paths, servers

SETTINGS = {
    "shared_buffers": "1GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "30min",
    "track_functions": os.environ.get("BENCH_TRACK", "none"),
}
"""What any production server of this size would have; fsync and synchronous_commit stay on."""


@contextmanager
def running() -> Iterator[servers.Postgres]:
    """Servers with a migrated, empty database, and Django set up on them."""
    folder = Path(tempfile.mkdtemp(prefix="legato-bench-"))
    os.environ |= {
        "LEGATO_STATE_DIR": str(folder),
        "LEGATO_RUN_DIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "bench.settings",
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "metrics"),
    }
    (folder / "metrics").mkdir()
    accounts.own_folder(folder, None)
    postgres = servers.Postgres(folder, folder, settings=SETTINGS)
    valkey = servers.Valkey(folder, folder)
    try:
        postgres.start()
        valkey.start()
        django.setup()
        call_command("migrate", interactive=False, verbosity=0)
        yield postgres
    finally:
        valkey.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def superuser() -> psycopg.Connection[tuple[object, ...]]:
    """A superuser's connection to the benchmark's database, in autocommit mode."""
    return psycopg.connect(
        host=str(paths.run_dir() / "pg"),
        user=servers.SUPERUSER,
        dbname=servers.DATABASE,
        autocommit=True,
    )
