"""Whose the servers and their folders are: ourselves, or ``nobody`` when we are root.

PostgreSQL refuses to run as root, and containers and CI machines often are root.
"""

import os
import pwd
import shutil
import stat
from pathlib import Path

from legato_payments.local.processes import User


class Unreachable(Exception):
    """A folder cannot be used by the account that needs it; the message says what to set."""


def for_postgres() -> User | None:
    """Whom PostgreSQL runs as: ``nobody`` when we are root, else ourselves (None)."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return User(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def own_folder(path: Path, user: User | None, *, mode: int = 0o711) -> None:
    """Make a folder that is ``user``'s, or ours without one.

    Args:
        path: The folder; missing parents become ours, and others may pass through them.
        user: Whose it is to be.
        mode: The folder's rights, set each time.

    Raises:
        Unreachable: It belongs to somebody else, or ``user`` cannot pass through its parents.
    """
    owner = user.uid if user else os.geteuid()
    try:
        path.mkdir(mode=0o711, parents=True, exist_ok=True)
        # Only what is ours is given away: a folder of a third account has a reason to be its own.
        if user and path.stat().st_uid == os.geteuid():
            os.chown(path, user.uid, user.gid)
        # In a shared temporary folder somebody may have put a link where ours should be.
        if path.is_symlink() or path.stat().st_uid != owner:
            raise Unreachable(_belongs_to_another(path))
        path.chmod(mode)
    except PermissionError as error:
        raise Unreachable(_belongs_to_another(path)) from error
    if user and not _passable(path):
        raise Unreachable(
            f"PostgreSQL does not run as root, and the user '{user.name}' cannot reach {path}: set "
            f"LEGATO_STATE_DIR to a folder that '{user.name}' can reach, for example one below "
            "/var, or start this as an ordinary user."
        )


def reachable_binaries(folder: Path, run: Path, user: User | None) -> Path:
    """The same ``bin`` folder, or a copy of the installation in ``run`` when ``user`` needs one."""
    if user is None or _passable(folder / "postgres"):
        return folder
    # The checkout is below a closed home folder. PostgreSQL finds its files relative to its binary,
    # and a wheel's binary finds its libraries in a folder beside the package: all of it moves.
    installation, package = folder.parent, folder.parent.parent
    copy = run / "postgresql"
    shutil.rmtree(copy, ignore_errors=True)
    moved = copy / package.name / installation.name
    shutil.copytree(installation, moved, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copy / libraries.name)
    return moved / folder.name


def _passable(path: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


def _belongs_to_another(path: Path) -> str:
    return (
        f"{path} belongs to another user (made as root, maybe): remove it, or set "
        "LEGATO_STATE_DIR to a folder of your own."
    )
