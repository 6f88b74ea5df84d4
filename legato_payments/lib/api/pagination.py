"""Lists: signed keyset cursors.

A page starts after the last row of the one before it, named by its sort key, so that a page costs
the same wherever it is and rows that arrive meanwhile shift nothing. The cursor is signed and bound
to its path: nobody forges a position, or carries one from one user's list to another's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core import signing
from django.db.models import Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import remove_query_param, replace_query_param
from rest_framework.views import APIView

from legato_payments.lib.errors import FieldError, Invalid

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 100

Key = tuple[datetime | UUID | str | int, ...]
"""The sort key of a row, most significant part first, for example (created_at, id)."""

type Fetch[Row] = Callable[[Key | None, Key | None, int], Sequence[Row]]
"""``fetch(after, before, limit)``: at most ``limit`` rows next to one of the two keys, which never
come together; both ``None``: the first rows. The row nearest to the key comes first, so rows before
a key come in reverse order."""


@dataclass(frozen=True, slots=True)
class Page[Row]:
    """Some rows of a list, and the addresses of its neighbours."""

    rows: list[Row]
    next: str | None
    previous: str | None

    def to_json(self, results: Sequence[Any]) -> dict[str, Any]:
        """The answer, with ``results`` in place of the rows."""
        return {"next": self.next, "previous": self.previous, "results": list(results)}


def page[Row](request: Request, fetch: Fetch[Row], *, key: Callable[[Row], Key]) -> Page[Row]:
    """The page of a list that ``?cursor=`` and ``?page_size=`` ask for.

    Args:
        request: Has the query parameters, and the address that the links repeat.
        fetch: Reads rows next to a key.
        key: The sort key of a row; unique in the list, no part of it ``None``.

    Raises:
        Invalid: The cursor or the page size is none of ours.
    """
    size = _page_size(request)
    is_backward, position = _read_cursor(request)
    after, before = (None, position) if is_backward else (position, None)
    # One row more than asked for tells whether there is a page beyond.
    rows = list(fetch(after, before, size + 1))
    goes_on = len(rows) > size
    rows = rows[:size]
    if is_backward:
        rows.reverse()

    has_next = goes_on or is_backward
    has_previous = goes_on if is_backward else position is not None
    return Page(
        rows,
        next=_link(request, key(rows[-1]), backward=False) if rows and has_next else None,
        previous=_link(request, key(rows[0]), backward=True) if rows and has_previous else None,
    )


class KeysetPagination(BasePagination):
    """Pages of a queryset, in the order of the view's ``ordering``.

    ``ordering`` names columns that are never null and unique together; default newest first.
    """

    ordering: Sequence[str] = ("-created_at", "-id")

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any]:
        """The rows of the page. Raises ``Invalid`` as ``page`` does."""
        ordering = tuple(getattr(view, "ordering", self.ordering))
        names = [name.removeprefix("-") for name in ordering]

        def fetch(after: Key | None, before: Key | None, limit: int) -> Sequence[Any]:
            return list(keyset(queryset, ordering, after=after, before=before)[:limit])

        def key(row: Any) -> Key:
            get = row.__getitem__ if isinstance(row, dict) else row.__getattribute__
            return tuple(get(name) for name in names)

        self._page = page(request, fetch, key=key)
        return self._page.rows

    def get_paginated_response(self, data: Any) -> Response:
        return Response(self._page.to_json(data))

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        address = {"type": "string", "format": "uri", "nullable": True}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": address, "previous": address, "results": schema},
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        size = {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE}
        return [
            {"name": "cursor", "in": "query", "required": False, "schema": {"type": "string"}},
            {
                "name": "page_size",
                "in": "query",
                "required": False,
                "schema": {**size, "default": DEFAULT_PAGE_SIZE},
            },
        ]


def keyset(
    queryset: QuerySet[Any], ordering: Sequence[str], *, after: Key | None, before: Key | None
) -> QuerySet[Any]:
    """The rows of ``queryset`` after one key, or before one in reverse order.

    ``ordering`` has column names, ``-`` in front of descending ones: never null, unique together.
    """
    if before is not None:
        ordering = [_reversed(name) for name in ordering]
    ordered = queryset.order_by(*ordering)
    position = before if before is not None else after
    return ordered if position is None else ordered.filter(_beyond(ordering, position))


def _beyond(ordering: Sequence[str], position: Key) -> Q:
    # (a, b) < (x, y) as a <= x AND (a < x OR b < y): the first half is what an index can use.
    name, value = ordering[0], position[0]
    column = name.removeprefix("-")
    direction = "lt" if name.startswith("-") else "gt"
    strictly = Q(**{f"{column}__{direction}": value})
    if len(ordering) == 1:
        return strictly
    return Q(**{f"{column}__{direction}e": value}) & (
        strictly | _beyond(ordering[1:], position[1:])
    )


def _reversed(name: str) -> str:
    return name.removeprefix("-") if name.startswith("-") else f"-{name}"


def _page_size(request: Request) -> int:
    asked = request.query_params.get("page_size")
    if asked is None:
        return DEFAULT_PAGE_SIZE
    is_number = asked.isascii() and asked.isdigit() and len(asked) <= 3
    if not is_number or not 1 <= int(asked) <= MAX_PAGE_SIZE:
        raise _invalid("page_size", f"Must be a number from 1 to {MAX_PAGE_SIZE}.")
    return int(asked)


def _salt(request: Request) -> str:
    return f"legato.cursor:{request.path}"


def _link(request: Request, key: Key, *, backward: bool) -> str:
    cursor = signing.dumps(["b" if backward else "a", *_pack(key)], salt=_salt(request))
    address = remove_query_param(request.build_absolute_uri(), "cursor")
    return str(replace_query_param(address, "cursor", cursor))


def _read_cursor(request: Request) -> tuple[bool, Key | None]:
    """Whether to go backward, and from which key; ``None``: from the start."""
    cursor = request.query_params.get("cursor")
    if cursor is None:
        return False, None
    try:
        direction, *packed = signing.loads(cursor, salt=_salt(request))
    except (signing.BadSignature, ValueError):
        raise _invalid("cursor", "This is not a cursor of this list.") from None
    return direction == "b", _unpack(packed)


def _pack(key: Key) -> Iterator[list[str | int]]:
    for part in key:
        match part:
            case datetime():
                yield ["t", part.isoformat()]
            case UUID():
                yield ["u", str(part)]
            case _:
                yield ["v", part]


def _unpack(packed: list[list[Any]]) -> Key:
    readers: dict[str, Callable[[Any], Any]] = {"t": datetime.fromisoformat, "u": UUID}
    return tuple(readers[kind](value) if kind in readers else value for kind, value in packed)


def _invalid(name: str, detail: str) -> Invalid:
    return Invalid(errors=[FieldError(f"?{name}", "invalid", detail)])
