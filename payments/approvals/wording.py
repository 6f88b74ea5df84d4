"""What payloads say, in words."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What differs, in one line: ``coins 100 → 120, USD 0.99 → 1.09``."""
    old, new = _flat(before), _flat(after)
    parts = [
        f"{name} {old[name]} → {value}" if name in old else f"{name} {value}"
        for name, value in new.items()
        if old.get(name) != value and name != "version"
    ]
    gone = [f"{name} {value} → none" for name, value in old.items() if name not in new]
    return ", ".join([*parts, *gone])


def starting(valid_from: datetime | None) -> str:
    """From when on something would count, in words."""
    return f"from {valid_from:%Y-%m-%d %H:%M} UTC" if valid_from else "from its approval"


def moment(text: str | None) -> datetime | None:
    """A time as payloads hold it."""
    return datetime.fromisoformat(text) if text else None


def _flat(state: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in state.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat
