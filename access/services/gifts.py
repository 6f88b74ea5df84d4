"""Coins from reader to reader."""

from dataclasses import dataclass
from datetime import UTC, datetime, time

from django.db.models import Sum
from django.db.transaction import atomic

from access.models import CoinGift
from legato_payments.lib.errors import Refused
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.ids import uuid7
from payments import ledger, outbox
from payments.ledger import Burned, balances, templates
from payments.models import CoinBalance, LotUse, Policy
from payments.queries import policies
from payments.services import wallets


class SelfGift(Refused):
    code = "self_gift"
    title = "Nobody gives coins to themselves."


class GiftLimitReached(Refused):
    code = "gift_limit_reached"
    title = "This is more than a reader may give in one day."


@dataclass(frozen=True, slots=True)
class Given:
    """A gift, the coins it took, and the giver's wallet after it."""

    gift: CoinGift
    burned: Burned
    wallet: CoinBalance


@atomic
def send_coins(
    *,
    sender_id: str,
    recipient_id: str,
    coins: int,
    now: datetime,
    actor: str,
    message: str = "",
) -> Given:
    """Give coins to another reader. Only coins that were paid for can be given.

    They keep what they are worth, their place in the burn order and the purchase they are from, so
    that whoever they are spent on is paid as if the giver had spent them.

    Raises:
        SelfGift: Giver and recipient are one.
        GiftLimitReached: With the gifts of the same UTC day, above the limit.
        wallets.InsufficientCoins: Fewer purchased coins than ``coins``.
    """
    if sender_id == recipient_id:
        raise SelfGift
    locked = balances.lock_all(user_ids={sender_id, recipient_id})
    wallet, to = locked[sender_id], locked[recipient_id]
    _check_day(sender_id, coins, now=now)

    gift = CoinGift(
        id=uuid7(),
        sender_id=sender_id,
        recipient_id=recipient_id,
        coins=coins,
        message=message,
        transaction_id=uuid7(),
        given_at=now,
    )
    burned = wallets.burn(
        wallet=wallet,
        coins=coins,
        kind=LotUse.Kind.TRANSFER,
        transaction_id=gift.transaction_id,
        now=now,
        purchased_only=True,
    )
    failpoint("gift.burned")
    ledger.post(
        templates.coin_transfer(sender_id=sender_id, recipient_id=recipient_id, coins=coins),
        ledger.Header(
            id=gift.transaction_id,
            key=f"coin_gift:{gift.pk}",
            occurred_at=now,
            source_type="coin_gift",
            source_id=str(gift.pk),
            actor=actor,
            metadata={"counterparty_id": recipient_id, "sender_id": sender_id},
        ),
    )
    failpoint("gift.posted")
    balances.pass_on(wallet=to, burned=burned, transaction_id=gift.transaction_id, now=now)
    failpoint("gift.passed_on")
    gift.save(force_insert=True)
    outbox.emit_all(
        [
            wallets.changed_event(
                wallet=changed, transaction_id=gift.transaction_id, occurred_at=now
            )
            for changed in (wallet, to)
        ]
    )
    return Given(gift, burned, wallet)


def _check_day(sender_id: str, coins: int, *, now: datetime) -> None:
    daily = policies.value(Policy.Name.GIFT_DAILY_COINS, on=now)
    # A sum is safe here: the giver's wallet is locked, and no gift of theirs goes past it.
    midnight = datetime.combine(now.date(), time(), UTC)
    today = CoinGift.objects.filter(sender_id=sender_id, given_at__gte=midnight)
    sent = today.aggregate(coins=Sum("coins", default=0))["coins"]
    if sent + coins > daily:
        raise GiftLimitReached(
            f"{daily} coins a day, {sent} are given.", limit_coins=daily, sent_coins=sent
        )
