"""The official descriptions and samples in ``var/specs``, which ``make specs`` brings there."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "var" / "specs"


def path(name: str) -> Path:
    """Where one of them is; the test is skipped, and says why, when it could not be fetched."""
    found = FOLDER / name
    if not found.exists():
        pytest.skip(f"no {name} in var/specs: run `make specs`")
    return found


@cache
def load(name: str) -> Any:
    """One of them as JSON. Do not change what you get: it is shared."""
    return json.loads(path(name).read_text(encoding="utf-8"))
