"""Where servers of a test's own live."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def own_folder() -> Iterator[Path]:
    """A short path for sockets and logs."""
    folder = Path(tempfile.mkdtemp(prefix="legato-chaos-"))
    # Servers may run as another account, which has to pass through.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
