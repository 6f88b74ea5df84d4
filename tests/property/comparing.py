"""The books and the event feed beside the model: what both say must be the same, to the micro."""

from collections import Counter
from typing import Any

from django.db.models import F, Sum

from access.models import Entitlement
from payments.ledger import invariants
from payments.models import (
    CoinBalance,
    CoinLot,
    Dispute,
    DisputeLoss,
    Entry,
    OutboxEvent,
    Purchase,
    Refund,
    SandboxLine,
)
from tests.ledger import books, feed
from tests.property.model_disputes import WholeModel
from tests.property.model_rows import MINOR

type Rows = list[tuple[Any, ...]]


def wallets(model: WholeModel) -> None:
    """Every reader holds what the model says, owes it, and can spend if the model says so."""
    rows = CoinBalance.objects.values_list(
        "user_id", "purchased", "promo", "held", "debt_micros", "blocked_by"
    )
    stored = {user_id: (*coins, bool(blocked_by)) for user_id, *coins, blocked_by in rows}
    for reader in model.wallets:
        wanted = (*model.held(reader), model.debts[reader], bool(model.blocks[reader]))
        assert stored.get(reader, (0, 0, 0, 0, False)) == wanted, reader


def everything(model: WholeModel) -> None:
    """Lots, accounts, earnings, rights and invariants; the feed as far as it is published."""
    books.assert_sound()
    found = list(invariants.discrepancies())
    assert not found, found
    _same(_lots(), _lots_of(model))
    _same(_sorted(_balances().items()), _sorted(model.balances().items()))
    assert feed.earned() == model.earnings()
    rights = Entitlement.objects.filter(revoked_at=None)
    assert set(rights.values_list("user_id", "content_id")) == set(model.owned)
    _same(_purchases(), _purchases_of(model))
    _same(_refunds(), _refunds_of(model))
    _same(_disputes(), _disputes_of(model))
    _same(_losses(), _losses_of(model))
    feed.assert_no_gaps()


def what_was_told(model: WholeModel) -> None:
    """Who follows the feed, all of it published, knows what the model knows."""
    assert not OutboxEvent.objects.filter(sequence=None).exists()
    followed = feed.follow()
    for reader in model.wallets:
        known = (*followed.held.get(reader, (0, 0)), followed.frozen[reader])
        assert known == model.held(reader), reader
    assert followed.earned == model.earnings()
    assert followed.rights == set(model.owned)
    assert len(followed.settled) == len(model.purchases)
    assert sorted(followed.paid_back) == sorted(model.paid_back)
    told = [(each.purchase.name, each.told) for each in _heard(model)]
    assert sorted(followed.disputes.values()) == sorted(told)


def what_the_gateway_says() -> None:
    """Our balance at the gateway, by currency, is what its own book comes to."""
    entries = Entry.objects.filter(account__code="gateway:sandbox").values_list("unit")
    ours = dict(entries.annotate(total=Sum("amount")).order_by())
    lines = SandboxLine.objects.values_list("currency")
    theirs = dict(lines.annotate(total=Sum(F("gross_minor") - F("fee_minor"))).order_by())
    assert ours == {currency: minor * MINOR for currency, minor in theirs.items()}


def _same(stored: Rows, wanted: Rows) -> None:
    ours, models = Counter(stored), Counter(wanted)
    assert ours == models, f"only in the books {ours - models}, only in the model {models - ours}"


def _lots() -> Rows:
    rows = CoinLot.objects.filter(next_coin__lt=F("coins")).values_list(
        *("wallet__user_id", "coins", "next_coin", "value_micros", "is_purchased", "expires_at"),
        *("purchase", "frozen_by"),
    )
    return _sorted((*lot, str(purchase or ""), bool(by)) for *lot, purchase, by in rows)


def _lots_of(model: WholeModel) -> Rows:
    return _sorted(
        (
            *(reader, lot.coins, lot.used, lot.value, lot.is_paid, lot.ends),
            *(lot.purchase.name if lot.purchase else "", lot.is_frozen),
        )
        for reader, held in model.wallets.items()
        for lot in held
        if lot.left
    )


def _balances() -> dict[tuple[str, str, str], int]:
    sums = Entry.objects.values_list("account__code", "account__owner_id", "unit")
    rows = sums.annotate(total=Sum("amount")).order_by()
    return {(code, owner, unit): int(total) for code, owner, unit, total in rows if total}


def _purchases() -> Rows:
    rows = Purchase.objects.filter(status=Purchase.Status.SUCCEEDED).values_list(
        "pk", "refunded_micros", "refunded_value_micros", "debt_micros", "debt_coins"
    )
    return _sorted((str(pk), *amounts) for pk, *amounts in rows)


def _purchases_of(model: WholeModel) -> Rows:
    return _sorted(
        (each.name, each.refunded, each.refunded_value, each.debt, each.debt_coins)
        for each in model.purchases
    )


def _refunds() -> Rows:
    rows = Refund.objects.values_list(
        "purchase", "status", "amount_micros", "goodwill_micros", "coins", "value_micros"
    )
    return _sorted((str(purchase), *refund) for purchase, *refund in rows)


def _refunds_of(model: WholeModel) -> Rows:
    return _sorted(
        (purchase.name, each.status, each.amount, each.goodwill, each.coins, each.value)
        for purchase in model.purchases
        for each in purchase.refunds
    )


def _disputes() -> Rows:
    rows = Dispute.objects.values_list(
        "gateway_id", "purchase", "status", "is_inquiry", "booked", "amount_micros", "policy",
        "fees",
    )  # fmt: skip
    return _sorted(
        (name, str(purchase), *dispute, sum(fees.values()))
        for name, purchase, *dispute, fees in rows
    )


def _disputes_of(model: WholeModel) -> Rows:
    return _sorted(
        (
            *(each.name, each.purchase.name, each.status, each.is_inquiry, each.booked),
            *(each.amount, each.policy, each.booked_fee),
        )
        for each in _heard(model)
    )


def _losses() -> Rows:
    rows = DisputeLoss.objects.values_list(
        "dispute__gateway_id", "coins", "unused_micros", "writers_micros", "platform_micros",
        "reader_micros", "undone_by",
    )  # fmt: skip
    return _sorted((*loss, undone_by is not None) for *loss, undone_by in rows)


def _losses_of(model: WholeModel) -> Rows:
    return _sorted(
        (
            each.name,
            sum(part.coins for _, part in loss.unused),
            sum(part.worth for _, part in loss.unused),
            sum(share for _, _, share in loss.shares),
            loss.platform,
            loss.owed,
            loss.is_undone,
        )
        for each in _heard(model)
        for loss in each.losses
    )


def _heard(model: WholeModel) -> list[Any]:
    every = [each for purchase in model.purchases for each in purchase.disputes]
    return [each for each in every if each.status]


def _sorted(rows: Any) -> Rows:
    return sorted(rows, key=repr)
