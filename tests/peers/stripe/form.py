"""Form bodies with nested keys, ``a[b][0][c]=1``, as Stripe reads them."""

import re
from typing import Any
from urllib.parse import parse_qsl

from tests.peers.store import Json

PART = re.compile(r"\[([^\[\]]*)\]")


def decode(text: str) -> Json:
    """Objects and lists of strings.

    Raises:
        ValueError: A key that is both a value and an object.
    """
    tree: Json = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        head, _, _ = name.partition("[")
        _put(tree, [head, *PART.findall(name)], value)
    return {name: _listed(value) for name, value in tree.items()}


def _put(tree: Json, path: list[str], value: str) -> None:
    for part in path[:-1]:
        tree = tree.setdefault(part or str(len(tree)), {})
        if not isinstance(tree, dict):
            raise ValueError(f"{path[0]} is used as a value and as an object")  # noqa: TRY004
    last = path[-1] or str(len(tree))
    tree[last] = value


def _listed(value: Any) -> Any:
    """Objects whose names are 0, 1, 2 ... are lists."""
    if not isinstance(value, dict):
        return value
    inner = {name: _listed(part) for name, part in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
