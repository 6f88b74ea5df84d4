"""Lists: pages by signed keyset cursors."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.core import signing
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from rest_framework.request import Request

from legato_payments.lib.api.pagination import Key, KeysetPagination, Page, page
from legato_payments.lib.errors import Invalid

START = datetime(2026, 10, 1, tzinfo=UTC)

Row = tuple[datetime, int]


def request(address: str = "/list") -> Request:
    return Request(RequestFactory().get(address))


def newest_first(rows: Sequence[Row]) -> Any:
    """A fetcher over a list, as a query would do it."""
    ordered = sorted(rows, reverse=True)

    def fetch(after: Key | None, before: Key | None, limit: int) -> list[Row]:
        if before is not None:
            return [row for row in reversed(ordered) if row > before][:limit]
        return [row for row in ordered if after is None or row < after][:limit]

    return fetch


def rows_of(count: int) -> list[Row]:
    # Three rows share each moment: the time alone is no key.
    return [(START + timedelta(seconds=number // 3), number) for number in range(count)]


def key(row: Row) -> Key:
    return row


def follow(rows: Sequence[Row], address: str) -> tuple[list[list[Row]], Page[Row]]:
    """Every page from ``address`` on, and the last one."""
    pages = []
    while True:
        read: Page[Row] = page(request(address), newest_first(rows), key=key)
        pages.append(read.rows)
        if read.next is None:
            return pages, read
        address = read.next


@given(count=st.integers(0, 40), size=st.integers(1, 12))
def test_all_pages_together_are_the_list(count: int, size: int) -> None:
    rows = rows_of(count)

    pages, _ = follow(rows, f"/list?page_size={size}")

    assert [row for rows in pages for row in rows] == sorted(rows, reverse=True)
    assert all(len(rows) == size for rows in pages[:-1])


@given(count=st.integers(1, 40), size=st.integers(1, 12))
def test_going_back_shows_the_same_pages(count: int, size: int) -> None:
    rows = rows_of(count)
    pages, last = follow(rows, f"/list?page_size={size}")

    back = [last.rows]
    while last.previous is not None:
        last = page(request(last.previous), newest_first(rows), key=key)
        back.append(last.rows)

    assert [row for rows in reversed(back) for row in rows] == sorted(rows, reverse=True)
    assert len(back) == len(pages)


def test_the_first_page_has_no_previous_and_the_last_no_next() -> None:
    _, only = follow(rows_of(3), "/list")

    assert (only.next, only.previous) == (None, None)


def test_rows_that_arrive_meanwhile_shift_nothing() -> None:
    rows = rows_of(10)
    first: Page[Row] = page(request("/list?page_size=5"), newest_first(rows), key=key)
    newer = [*rows, (START + timedelta(days=1), 99)]

    second: Page[Row] = page(request(first.next or ""), newest_first(newer), key=key)

    assert [number for _, number in second.rows] == [4, 3, 2, 1, 0]


def test_a_link_keeps_the_filters() -> None:
    read: Page[Row] = page(request("/list?type=tip&page_size=2"), newest_first(rows_of(5)), key=key)

    assert read.next is not None
    assert read.next.startswith("http://testserver/list?")
    assert "type=tip" in read.next
    assert "page_size=2" in read.next


def test_the_answer_has_the_three_members() -> None:
    read: Page[Row] = page(request(), newest_first(rows_of(1)), key=key)

    assert read.to_json([{"id": 0}]) == {"next": None, "previous": None, "results": [{"id": 0}]}


@pytest.mark.parametrize("size", ["0", "101", "-1", "1.5", "１", "", "ten", "999999999999"])
def test_a_page_holds_1_to_100_rows(size: str) -> None:
    with pytest.raises(Invalid) as caught:
        page(request(f"/list?page_size={size}"), newest_first([]), key=key)

    assert caught.value.errors[0].pointer == "?page_size"


def cursor_of(address: str | None) -> str:
    return parse_qs(urlsplit(address or "").query)["cursor"][0]


def test_a_cursor_that_we_did_not_sign_is_refused() -> None:
    read: Page[Row] = page(request("/list?page_size=1"), newest_first(rows_of(2)), key=key)
    good = cursor_of(read.next)
    elsewhere: Page[Row] = page(request("/other?page_size=1"), newest_first(rows_of(2)), key=key)

    for cursor in (
        "",
        "x",
        good[:-1],
        "A" + good,
        good.replace(":", "", 1),
        signing.dumps(["a", ["v", 1]]),
        cursor_of(elsewhere.next),
    ):
        with pytest.raises(Invalid) as caught:
            page(request(f"/list?cursor={cursor}"), newest_first(rows_of(2)), key=key)
        assert caught.value.errors[0].pointer == "?cursor"


@given(st.tuples(st.datetimes(timezones=st.just(UTC)), st.uuids(), st.text("ab/~"), st.integers()))
def test_a_key_comes_back_as_it_was(position: tuple[Any, ...]) -> None:
    seen: list[Key | None] = []

    def fetch(after: Key | None, before: Key | None, limit: int) -> list[Key]:
        seen.append(after)
        return [position, position]

    read: Page[Key] = page(request("/list?page_size=1"), fetch, key=lambda row: row)
    page(request(read.next or ""), fetch, key=lambda row: row)

    assert seen == [None, position]


class View:
    ordering = ("-date_joined", "username")


@pytest.fixture
def users(db: None) -> list[User]:
    """Thirty users, of whom three joined at a time, in the order of the view."""
    made = [
        User(username=f"u{number:02}", date_joined=START + timedelta(days=number // 3))
        for number in range(30)
    ]
    User.objects.bulk_create(made)
    return sorted(made, key=lambda user: (-user.date_joined.timestamp(), user.username))


@pytest.mark.parametrize("as_dicts", [False, True])
def test_a_queryset_is_paged_in_mixed_directions(users: list[User], *, as_dicts: bool) -> None:
    queryset: Any = User.objects.all()
    if as_dicts:
        queryset = queryset.values("date_joined", "username")
    address: str | None = "/users?page_size=7"
    names = []
    while address:
        paginator = KeysetPagination()
        rows = paginator.paginate_queryset(queryset, request(address), View())  # type: ignore[arg-type]
        names.append([row["username"] if as_dicts else row.username for row in rows])
        address = paginator.get_paginated_response([]).data["next"]

    assert [name for names in names for name in names] == [user.username for user in users]
    assert [len(names) for names in names] == [7, 7, 7, 7, 2]


def test_a_queryset_is_paged_backward(users: list[User]) -> None:
    paginator = KeysetPagination()
    paginator.paginate_queryset(User.objects.all(), request("/users?page_size=7"), View())  # type: ignore[arg-type]
    second = paginator.get_paginated_response([]).data["next"]
    paginator.paginate_queryset(User.objects.all(), request(second), View())  # type: ignore[arg-type]
    first = paginator.get_paginated_response([]).data["previous"]

    rows = paginator.paginate_queryset(User.objects.all(), request(first), View())  # type: ignore[arg-type]

    assert [row.username for row in rows] == [user.username for user in users[:7]]
    assert paginator.get_paginated_response([]).data["previous"] is None


def test_uuid_keys_are_compared_as_uuids() -> None:
    low, high = sorted([uuid.uuid4(), uuid.uuid4()])

    def fetch(after: Key | None, before: Key | None, limit: int) -> list[uuid.UUID]:
        return [high] if after is None else [value for value in [low] if (value,) < after]

    read: Page[uuid.UUID] = page(
        request("/list?page_size=1"),
        lambda after, before, limit: [high, low] if after is None else fetch(after, before, limit),
        key=lambda row: (row,),
    )

    assert page(request(read.next or ""), fetch, key=lambda row: (row,)).rows == [low]
