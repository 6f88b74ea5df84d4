"""POST /revenue/content-purchase/{transaction_id}/distribute"""

from typing import Any
from uuid import UUID

import pytest

from access.services import content, tips
from legato_payments.lib.ids import uuid7
from revenue.models import SplitRule
from tests import factories
from tests.clients import api
from tests.factories import NOW, READER, WRITER
from tests.ledger import books

pytestmark = pytest.mark.django_db


def distribute(transaction_id: UUID | None, *, key: str | None = None) -> Any:
    """Ask who got what of a sale."""
    path = f"/api/v1/revenue/content-purchase/{transaction_id}/distribute"
    return api(service="revenue", scopes=["revenue:write"]).keyed(path, {}, key=key)


def test_tells_who_got_what_of_a_sale() -> None:
    factories.buy_coins(READER, "Ultimate Pack")
    shares = {"writer-1": 5_000, "writer-2": 3_000, "writer-3": 2_000}
    factories.put_content("chapter-4", price=10, shares=shares)
    bought = content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")
    before = books.fingerprint()

    response = distribute(bought.entitlement.transaction_id)
    again = distribute(bought.entitlement.transaction_id)

    assert response.status_code == 200
    assert response.json() == again.json()
    assert response.json() == {
        "transaction_id": str(bought.entitlement.transaction_id),
        "stream": "content",
        "value": {"amount": "0.06059", "currency": "USD"},
        "shares": [
            {
                "writer_id": writer_id,
                "share_bps": shares[writer_id],
                "amount": {"amount": amount, "currency": "USD"},
            }
            for writer_id, amount in [
                ("writer-1", "0.019691"),
                ("writer-2", "0.011815"),
                ("writer-3", "0.007877"),
            ]
        ],
        "platform": {"amount": "0.021207", "currency": "USD"},
        "rule_id": SplitRule.objects.get(stream="CONTENT").pk,
        "status": "already_distributed",
    }
    assert books.fingerprint() == before


def test_a_sale_paid_with_worthless_coins_is_a_distribution_of_nothing() -> None:
    books.give(10)
    factories.put_content("chapter-4", price=10)
    bought = content.buy(user_id=READER, content_id="chapter-4", now=NOW, actor="user:reader-1")

    answer = distribute(bought.entitlement.transaction_id).json()

    assert answer["value"] == answer["platform"] == {"amount": "0.00", "currency": "USD"}
    assert [share["amount"]["amount"] for share in answer["shares"]] == ["0.00"]


def test_only_a_sale_of_content_is_distributed() -> None:
    purchase = factories.buy_coins(READER, "Ultimate Pack")
    factories.put_content()
    tip = tips.send(
        sender_id=READER, recipient_id=WRITER, coins=10, now=NOW, actor="user:reader-1"
    ).tip

    for transaction_id in (purchase.transaction_id, tip.transaction_id, uuid7()):
        response = distribute(transaction_id)
        assert response.status_code == 404
        assert response.json()["code"] == "not_found"
