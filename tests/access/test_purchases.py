"""GET /access/users/{user_id}/purchases"""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from access.models import Entitlement
from access.services import content
from tests import factories
from tests.clients import api
from tests.factories import NOW, READER

pytestmark = pytest.mark.django_db

PURCHASES = f"/api/v1/access/users/{READER}/purchases"


@pytest.fixture
def seven_bought(reader: str) -> list[Entitlement]:
    """Chapters 1 to 7 of ten coins each, bought a day apart, the third taken back since."""
    rights = []
    for number in range(1, 8):
        factories.put_content(f"chapter-{number}")
        now = NOW + timedelta(days=number)
        bought = content.buy(
            user_id=READER, content_id=f"chapter-{number}", now=now, actor="user:reader-1"
        )
        rights.append(bought.entitlement)
    Entitlement.objects.filter(pk=rights[2].pk).update(revoked_at=NOW + timedelta(days=9))
    return rights


def get(path: str) -> Any:
    """The answer to the reader."""
    return api(user=READER).get(path)


def ids(answer: dict[str, Any]) -> list[str]:
    """The chapters on a page."""
    return [row["content_id"] for row in answer["results"]]


def test_lists_every_right_newest_first(seven_bought: list[Entitlement]) -> None:
    factories.buy_coins("reader-2")
    content.buy(user_id="reader-2", content_id="chapter-1", now=NOW, actor="user:reader-2")

    answer = get(PURCHASES).json()

    assert (answer["next"], answer["previous"]) == (None, None)
    assert ids(answer) == [f"chapter-{number}" for number in range(7, 0, -1)]
    assert answer["results"][4] == {
        "content_id": "chapter-3",
        "transaction_id": str(seven_bought[2].transaction_id),
        "coins": 10,
        "ground": "purchased",
        "purchased_at": "2026-11-05T12:00:00Z",
        "expires_at": None,
        "refunded_at": "2026-11-11T12:00:00Z",
    }


def test_pages_through_there_and_back(seven_bought: list[Entitlement]) -> None:
    first = get(f"{PURCHASES}?page_size=3").json()
    second = get(first["next"]).json()
    # What is bought meanwhile shifts nothing.
    factories.put_content("chapter-8")
    content.buy(user_id=READER, content_id="chapter-8", now=NOW, actor="user:reader-1")
    third = get(second["next"]).json()
    back = get(third["previous"]).json()

    pages = [ids(page) for page in (first, second, third, back)]
    assert pages == [
        ["chapter-7", "chapter-6", "chapter-5"],
        ["chapter-4", "chapter-3", "chapter-2"],
        ["chapter-1"],
        ["chapter-4", "chapter-3", "chapter-2"],
    ]
    assert first["previous"] is None
    assert third["next"] is None


def test_a_cursor_is_good_for_its_own_list_only(seven_bought: list[Entitlement]) -> None:
    following = get(f"{PURCHASES}?page_size=3").json()["next"]
    (cursor,) = parse_qs(urlsplit(following).query)["cursor"]
    elsewhere = api(user="reader-2").get(
        "/api/v1/access/users/reader-2/purchases", {"cursor": cursor}
    )
    altered = get(f"{PURCHASES}?cursor={cursor}x")

    for response in (elsewhere, altered):
        assert response.status_code == 400
        assert response.json()["errors"][0]["pointer"] == "?cursor"


@pytest.mark.parametrize("query", ["page_size=0", "page_size=101", "page_size=x", "page=2"])
def test_refuses_queries_it_does_not_know(query: str) -> None:
    assert get(f"{PURCHASES}?{query}").status_code == 400


def test_a_reader_who_bought_nothing_has_an_empty_list() -> None:
    assert get(PURCHASES).json() == {"next": None, "previous": None, "results": []}
