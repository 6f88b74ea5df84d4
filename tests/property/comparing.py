"""The books and the event feed beside the model: what both say must be the same, to the micro."""

from typing import Any

from django.db.models import F, Sum

from access.models import Entitlement
from payments.ledger import invariants
from payments.models import CoinBalance, CoinLot, Entry, OutboxEvent
from tests.ledger import books, feed
from tests.property.model import Model


def wallets(model: Model) -> None:
    """Every reader holds what the model says."""
    rows = CoinBalance.objects.values_list("user_id", "purchased", "promo", "held")
    stored = {user_id: (purchased, promo, held) for user_id, purchased, promo, held in rows}
    for reader in model.wallets:
        assert stored.get(reader, (0, 0, 0)) == (*model.held(reader), 0), reader


def everything(model: Model) -> None:
    """Lots, accounts, earnings, rights and invariants; the feed as far as it is published."""
    books.assert_sound()
    assert list(invariants.discrepancies()) == []
    assert _lots() == _lots_of(model)
    assert _balances() == model.balances()
    assert feed.earned() == model.earnings()
    rights = Entitlement.objects.filter(revoked_at=None)
    assert set(rights.values_list("user_id", "content_id")) == set(model.owned)
    feed.assert_no_gaps()


def what_was_told(model: Model) -> None:
    """Who follows the feed, all of it published, knows what the model knows."""
    assert not OutboxEvent.objects.filter(sequence=None).exists()
    followed = feed.follow()
    for reader in model.wallets:
        assert followed.held.get(reader, (0, 0)) == model.held(reader), reader
    assert followed.earned == model.earnings()
    assert followed.rights == set(model.owned)
    assert len(followed.settled) == model.purchases


def _lots() -> list[tuple[Any, ...]]:
    open_lots = CoinLot.objects.filter(next_coin__lt=F("coins"))
    fields = ("wallet__user_id", "coins", "next_coin", "value_micros", "is_purchased", "expires_at")
    return sorted(open_lots.values_list(*fields), key=repr)


def _lots_of(model: Model) -> list[tuple[Any, ...]]:
    lots = [
        (reader, lot.coins, lot.used, lot.value, lot.is_paid, lot.ends)
        for reader, held in model.wallets.items()
        for lot in held
        if lot.left
    ]
    return sorted(lots, key=repr)


def _balances() -> dict[tuple[str, str, str], int]:
    sums = Entry.objects.values_list("account__code", "account__owner_id", "unit")
    rows = sums.annotate(total=Sum("amount")).order_by()
    return {(code, owner, unit): int(total) for code, owner, unit, total in rows if total}
