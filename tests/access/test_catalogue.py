"""PUT /access/content/{content_id} and PUT /access/content"""

from datetime import timedelta
from typing import Any

import pytest

from access.models import Content
from access.services import content
from payments.models import Policy
from payments.services import policies
from revenue.models import Authorship, Earning, Writer
from tests import factories
from tests.clients import api
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db

CONTENT = "/api/v1/access/content"
NOTHING = object()


def chapter(**changes: Any) -> dict[str, Any]:
    """A valid description of 10 coins; a change to ``NOTHING`` leaves the member out."""
    described = {
        "title": "The Harbour",
        "writers": [{"writer_id": WRITER, "share_bps": 10_000}],
        "price_coins": 10,
        "published": True,
        **changes,
    }
    return {name: value for name, value in described.items() if value is not NOTHING}


def shares(**by_writer: int) -> list[dict[str, Any]]:
    """The authors of a description."""
    return [{"writer_id": name, "share_bps": bps} for name, bps in by_writer.items()]


def put(content_id: str = "chapter-4", **changes: Any) -> Any:
    """Describe one chapter."""
    return _service().put(f"{CONTENT}/{content_id}", chapter(**changes))


def put_all(items: list[Any]) -> Any:
    """Describe several."""
    return _service().put(CONTENT, {"items": items})


def _service() -> Any:
    return api(service="content-service", scopes=["catalog:write"])


def authors(content_id: str = "chapter-4") -> dict[str, int]:
    """The current authors and their shares."""
    rows = Authorship.objects.filter(content_id=content_id, valid_to=None)
    return dict(rows.values_list("writer", "share_bps"))


def test_takes_over_a_description() -> None:
    response = put(
        series_id="harbour", position=4, required_tier="vip", writers=shares(b=1, a=9_999)
    )

    assert response.status_code == 200
    assert response.json() == {
        "content_id": "chapter-4",
        "title": "The Harbour",
        "price_coins": 10,
        "free": False,
        "published": True,
        "required_tier": "vip",
        "series_id": "harbour",
        "position": 4,
    }
    assert authors() == {"a": 9_999, "b": 1}
    assert Content.objects.get().required_tier == "VIP"


BY_WORDS = {"price_coins": NOTHING}
IN_SERIES = {"series_id": "harbour"}


@pytest.mark.parametrize(
    ("changes", "coins"),
    [
        # A coin for every hundred words begun and ended, 5 to 60.
        ({**BY_WORDS, "word_count": 0}, 5),
        ({**BY_WORDS, "word_count": 599}, 5),
        ({**BY_WORDS, "word_count": 600}, 6),
        ({**BY_WORDS, "word_count": 699}, 6),
        ({**BY_WORDS, "word_count": 5_999}, 59),
        ({**BY_WORDS, "word_count": 6_000}, 60),
        ({**BY_WORDS, "word_count": 10_000_000}, 60),
        # The first three chapters of a series, unless something is said.
        ({**BY_WORDS, **IN_SERIES, "word_count": 2_000, "position": 1}, 0),
        ({**BY_WORDS, **IN_SERIES, "word_count": 2_000, "position": 3}, 0),
        ({**BY_WORDS, **IN_SERIES, "word_count": 2_000, "position": 4}, 20),
        ({**BY_WORDS, **IN_SERIES, "word_count": 2_000}, 20),
        ({**BY_WORDS, "word_count": 2_000, "position": 1}, 20),
        ({**BY_WORDS, **IN_SERIES, "word_count": 2_000, "position": 1, "free": False}, 20),
        ({**BY_WORDS, **IN_SERIES, "position": 1}, 0),
        ({**IN_SERIES, "price_coins": 7, "position": 1}, 7),
        # What is said counts.
        ({"price_coins": 1}, 1),
        ({"price_coins": 100_000}, 100_000),
        ({"price_coins": 0}, 0),
        ({"price_coins": 10, "free": True}, 0),
        ({**BY_WORDS, "word_count": 2_000, "free": True}, 0),
    ],
)
def test_prices_a_chapter(changes: dict[str, Any], coins: int) -> None:
    single = put(**changes)
    bulk = put_all([{"content_id": "chapter-5", **chapter(**changes)}])

    assert single.status_code == bulk.status_code == 200
    answer = single.json()
    assert (answer["price_coins"], answer["free"]) == (coins, coins == 0)
    (result,) = bulk.json()["results"]
    assert (result["status"], result["price_coins"]) == ("stored", coins)
    stored = Content.objects.values_list("price_coins", "is_free", "word_count")
    assert len(set(stored)) == 1


def test_the_price_rule_is_changed_by_finance_and_not_in_code() -> None:
    policies.change(
        name=Policy.Name.WORDS_PER_COIN,
        value=50,
        valid_from=NOW,
        actor="staff:7",
        reason="longer chapters",
        now=NOW,
    )

    assert put(price_coins=NOTHING, word_count=1_000).json()["price_coins"] == 20


INVALID: list[tuple[dict[str, Any], str, str]] = [
    ({"price_coins": NOTHING}, "/price_coins", "price_unclear"),
    ({"word_count": 500}, "/price_coins", "one_of"),
    ({"price_coins": -1}, "/price_coins", "min_value"),
    ({"price_coins": 100_001}, "/price_coins", "max_value"),
    ({"price_coins": "10"}, "/price_coins", "invalid"),
    ({"writers": shares(a=9_999)}, "/writers", "shares_incomplete"),
    ({"writers": shares(a=5_000, b=5_001)}, "/writers", "shares_incomplete"),
    ({"writers": shares(a=10_000, b=0)}, "/writers/1/share_bps", "min_value"),
    ({"writers": [*shares(a=5_000), *shares(a=5_000)]}, "/writers", "duplicate"),
    ({"writers": []}, "/writers", "min_length"),
    ({"writers": shares(**{f"w{n}": 1 for n in range(21)})}, "/writers", "max_length"),
    ({"title": " "}, "/title", "blank"),
    ({"published": NOTHING}, "/published", "required"),
    ({"required_tier": "gold"}, "/required_tier", "invalid_choice"),
    ({"position": 0}, "/position", "min_value"),
    ({"colour": "red"}, "/colour", "unknown_field"),
]


@pytest.mark.parametrize(("changes", "pointer", "code"), INVALID)
def test_refuses_what_is_invalid_alone_and_names_it_among_others(
    changes: dict[str, Any], pointer: str, code: str
) -> None:
    before = books.fingerprint()

    single = put(**changes)

    assert single.status_code == 400
    assert (pointer, code) in {(e["pointer"], e["code"]) for e in single.json()["errors"]}
    assert books.fingerprint() == before

    bulk = put_all(
        [
            {"content_id": "good-1", **chapter()},
            {"content_id": "bad", **chapter(**changes)},
            {"content_id": "good-2", **chapter()},
        ]
    )

    assert bulk.status_code == 200
    results = bulk.json()["results"]
    assert [result["status"] for result in results] == ["stored", "invalid", "stored"]
    assert [result["index"] for result in results] == [0, 1, 2]
    assert (pointer, code) in {(e["pointer"], e["code"]) for e in results[1]["errors"]}
    assert results[1]["content_id"] == "bad"
    assert sorted(Content.objects.values_list("pk", flat=True)) == ["good-1", "good-2"]
    assert not authors("bad")


def test_of_two_items_with_one_id_the_first_counts() -> None:
    response = put_all(
        [
            {"content_id": "chapter-4", **chapter(price_coins=11)},
            {"content_id": "chapter-4", **chapter(price_coins=12)},
        ]
    )

    first, second = response.json()["results"]
    assert (first["status"], second["status"]) == ("stored", "invalid")
    assert [(e["pointer"], e["code"]) for e in second["errors"]] == [("/content_id", "duplicate")]
    assert Content.objects.get().price_coins == 11


def test_an_invalid_item_does_not_use_up_its_id() -> None:
    response = put_all(
        [
            {"content_id": "chapter-4", **chapter(price_coins=-1)},
            {"content_id": "chapter-4", **chapter(price_coins=12)},
        ]
    )

    assert [result["status"] for result in response.json()["results"]] == ["invalid", "stored"]


def test_items_that_are_no_objects_are_named_too() -> None:
    response = put_all([7, True, "x", [], {"content_id": 5}, {"content_id": "ok", **chapter()}])

    assert response.status_code == 200
    results = response.json()["results"]
    assert [result["status"] for result in results] == ["invalid"] * 5 + ["stored"]
    assert all(result["errors"] for result in results[:5])
    assert [result["content_id"] for result in results] == [None] * 5 + ["ok"]


@pytest.mark.parametrize(
    "items", [[], [{}] * 1_001, {}, None], ids=["none", "1,001", "object", "null"]
)
def test_refuses_a_delivery_that_is_no_list_of_1_to_1000(items: Any) -> None:
    response = put_all(items)

    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "/items"


def test_a_thousand_chapters_go_in_at_once() -> None:
    items = [{"content_id": f"chapter-{n}", **chapter(price_coins=n + 1)} for n in range(1_000)]

    response = put_all(items)

    assert {result["status"] for result in response.json()["results"]} == {"stored"}
    assert Content.objects.count() == Authorship.objects.count() == 1_000
    assert Content.objects.get(pk="chapter-999").price_coins == 1_000


def test_a_description_replaces_the_one_before_and_keeps_when_it_began() -> None:
    factories.put_content("chapter-4", series_id="harbour", position=9, required_tier="VIP")

    put(title="The Lighthouse", published=False)

    row = Content.objects.get()
    assert (row.title, row.is_published) == ("The Lighthouse", False)
    assert (row.series_id, row.position, row.required_tier) == ("", None, "")
    assert row.created_at == NOW
    assert row.updated_at > NOW


def test_new_authors_begin_where_the_old_ones_end() -> None:
    factories.put_content(shares={"a": 4_000, "b": 6_000})
    later = NOW + timedelta(days=1)

    factories.put_content(shares={"b": 5_000, "c": 5_000}, now=later)
    factories.put_content(shares={"c": 5_000, "b": 5_000}, now=later + timedelta(days=1))

    rows = Authorship.objects.order_by("id").values_list(
        "writer", "share_bps", "valid_from", "valid_to"
    )
    assert list(rows) == [
        ("a", 4_000, NOW, later),
        ("b", 6_000, NOW, later),
        ("b", 5_000, later, None),
        ("c", 5_000, later, None),
    ]
    assert dict(Writer.objects.values_list("pk", "first_seen_at")) == {
        "a": NOW,
        "b": NOW,
        "c": later,
    }


def test_a_delivery_that_overtook_an_earlier_one_leaves_no_gap() -> None:
    factories.put_content(shares={"a": 10_000}, now=NOW)

    # It read its clock before the other one did, and waited for the lock.
    factories.put_content(shares={"b": 10_000}, now=NOW - timedelta(seconds=1))

    rows = Authorship.objects.order_by("id").values_list("writer", "valid_from", "valid_to")
    assert list(rows) == [("a", NOW, NOW), ("b", NOW, None)]


def test_sales_keep_the_price_and_the_authors_they_were_made_with(reader: str) -> None:
    factories.put_content(price=10, shares={"a": 10_000})
    factories.buy_coins("reader-2")
    content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")

    put(price_coins=20, writers=shares(b=10_000))
    content.buy(user_id="reader-2", content_id="chapter-4", now=NOW, actor="user:reader-2")

    earned = Earning.objects.order_by("id").values_list("writer", "coins", "amount_micros")
    assert list(earned) == [("a", 10, 39_383), ("b", 20, 121_181 * 65 // 100)]
    books.assert_sound()
