"""What the database refuses of rights, tips and gifts, whatever the code says"""

from collections.abc import Callable

import pytest
from django.db import IntegrityError
from django.db.transaction import atomic

from access.models import CoinGift, Entitlement, Tip
from access.services import gifts, tips
from legato_payments.lib.ids import uuid7
from tests import factories
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _busy_reader(reader: str) -> None:
    """A reader who may open a chapter, tipped its writer and gave coins to a friend."""
    factories.put_content("chapter-4", price=10)
    grant()
    tips.send(sender_id=READER, recipient_id=WRITER, coins=10, now=NOW, actor="user:x")
    gifts.send_coins(sender_id=READER, recipient_id="reader-2", coins=10, now=NOW, actor="user:x")


def grant() -> None:
    """The right to the chapter, from staff."""
    Entitlement.objects.create(
        user_id=READER, content_id="chapter-4", ground=Entitlement.Ground.GRANT, granted_at=NOW
    )


def again(row: Tip | CoinGift, **changes: object) -> None:
    """The same row once more, with something else in it: rows like these are never changed."""
    row.pk = uuid7()
    row._state.adding = True
    for name, value in changes.items():
        setattr(row, name, value)
    row.save()


FAULTS: dict[str, tuple[Callable[[], object], str]] = {
    "two rights in force to one chapter": (grant, "one_in_force"),
    "a bought right without its transaction": (
        lambda: Entitlement.objects.update(ground=Entitlement.Ground.PURCHASED),
        "purchase_has_transaction",
    ),
    "a tip to oneself": (
        lambda: again(Tip.objects.get(), recipient_id=READER),
        "not_to_oneself",
    ),
    "a gift to oneself": (
        lambda: again(CoinGift.objects.get(), recipient_id=READER),
        "not_to_oneself",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_refuses(fault: str) -> None:
    attempt, constraint = FAULTS[fault]
    before = books.fingerprint()

    with pytest.raises(IntegrityError, match=constraint), atomic():
        attempt()

    assert books.fingerprint() == before


def test_a_right_that_was_taken_back_leaves_room_for_another() -> None:
    Entitlement.objects.update(revoked_at=NOW)

    grant()

    assert Entitlement.objects.filter(user_id=READER, content="chapter-4").count() == 2
