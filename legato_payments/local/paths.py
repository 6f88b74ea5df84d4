"""Where the embedded servers live. Importing this starts nothing and imports no server package."""

import hashlib
import os
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

OWNER_ROLE = "legato_owner"
APP_ROLE = "legato_app"
READ_ROLE = "legato_read"


def state_dir() -> Path:
    """Where data outlives a run: ``LEGATO_STATE_DIR``, else ``.legato`` in the project."""
    return Path(os.environ.get("LEGATO_STATE_DIR", ROOT / ".legato")).resolve()


def run_dir() -> Path:
    """Where sockets and the lock live: short on purpose, a socket path holds 107 bytes."""
    forced = os.environ.get("LEGATO_RUN_DIR")
    if forced:
        return Path(forced)
    digest = hashlib.sha256(str(state_dir()).encode()).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"legato-{os.getuid()}-{digest}"


def metrics_dir() -> Path:
    """Where the processes of a stack count together; emptied when it starts."""
    return run_dir() / "metrics"


def database_url(role: str, name: str = "legato") -> str:
    """The embedded database, as ``role``, over its unix socket."""
    return f"postgresql://{role}@/{name}?host={run_dir() / 'pg'}"


def redis_url(number: int = 0) -> str:
    """The embedded Valkey, as redis-py and Django write it."""
    return f"unix://{run_dir()}/redis.sock?db={number}"


def celery_url(url: str) -> str:
    """The same address as Celery writes it (``redis+socket://…?virtual_host=N``)."""
    if not url.startswith("unix://"):
        return url
    path, _, query = url.removeprefix("unix://").partition("?")
    number = query.partition("db=")[2] or "0"
    return f"redis+socket://{path}?virtual_host={number}"
