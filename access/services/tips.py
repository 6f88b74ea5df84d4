"""Tips: coins from a reader to a writer."""

from dataclasses import dataclass
from datetime import UTC, datetime, time
from uuid import UUID

from django.db.models import Sum
from django.db.transaction import atomic

from access.models import Tip
from legato_payments.lib.errors import Refused
from legato_payments.lib.failpoints import failpoint
from legato_payments.lib.ids import uuid7
from legato_payments.lib.metrics import COINS_SPENT
from payments import ledger, outbox
from payments.enums import Stream
from payments.ledger import Burned, templates
from payments.models import CoinBalance, LotUse, Policy
from payments.queries import policies
from payments.services import customers, wallets
from revenue.services import earnings, writers


class SelfTip(Refused):
    code = "self_tip"
    title = "Nobody tips themselves."


class UnknownRecipient(Refused):
    code = "unknown_recipient"
    title = "The recipient is not a writer we know."


class TipTooSmall(Refused):
    code = "tip_too_small"
    title = "The tip is too small."


class DailyLimitReached(Refused):
    code = "tip_limit_reached"
    title = "This is more than a reader may tip in one day."


@dataclass(frozen=True, slots=True)
class Sent:
    """A tip, and the coins it took."""

    tip: Tip
    burned: Burned
    wallet: CoinBalance


@atomic
def send(
    *,
    sender_id: str,
    recipient_id: str,
    coins: int,
    now: datetime,
    actor: str,
    content_id: str = "",
    message: str = "",
) -> Sent:
    """Give coins to a writer. Only coins that were paid for count (rules.md, rule 4).

    Raises:
        SelfTip: Sender and recipient are one.
        UnknownRecipient: Not a writer we know.
        TipTooSmall: Below the smallest tip.
        DailyLimitReached: With the tips of the same UTC day, above the limit.
        wallets.InsufficientCoins: Fewer purchased coins than ``coins``.
    """
    if sender_id == recipient_id:
        raise SelfTip
    wallet = wallets.lock(user_id=sender_id)
    if not writers.is_known(writer_id=recipient_id):
        raise UnknownRecipient
    _check_limits(sender_id, coins, now=now)

    tip_id, transaction_id = uuid7(), uuid7()
    burned = wallets.burn(
        wallet=wallet,
        coins=coins,
        kind=LotUse.Kind.TIP,
        transaction_id=transaction_id,
        now=now,
        purchased_only=True,
    )
    failpoint("tip.burned")
    claims = earnings.tip_claims(writer_id=recipient_id, on=now)
    shares = earnings.split(value_micros=burned.value_micros, claims=claims)
    parts = earnings.amounts(shares)
    ledger.post(
        templates.tip(user_id=sender_id, coins=coins, value=burned.value_micros, shares=parts),
        _header(transaction_id, tip_id, recipient_id, content_id, actor=actor, now=now),
    )
    failpoint("tip.posted")
    tip = Tip.objects.create(
        id=tip_id,
        sender_id=sender_id,
        recipient_id=recipient_id,
        content_id=content_id,
        coins=coins,
        message=message,
        transaction_id=transaction_id,
        sent_at=now,
    )
    earned = earnings.accrue(
        shares=shares,
        transaction_id=transaction_id,
        stream=Stream.TIP,
        content_id=content_id,
        burned=burned,
        reader_country=customers.country_of(user_id=sender_id),
        occurred_at=now,
    )
    failpoint("tip.earned")
    changed = wallets.changed_event(wallet=wallet, transaction_id=transaction_id, occurred_at=now)
    outbox.emit_all([changed, *earnings.events_of(earned)])
    COINS_SPENT.labels(stream="tip").inc(coins)
    return Sent(tip, burned, wallet)


def _header(
    transaction_id: UUID,
    tip_id: UUID,
    recipient_id: str,
    content_id: str,
    *,
    actor: str,
    now: datetime,
) -> ledger.Header:
    about = {"content_id": content_id} if content_id else {}
    return ledger.Header(
        id=transaction_id,
        key=f"tip:{tip_id}",
        occurred_at=now,
        source_type="tip",
        source_id=str(tip_id),
        actor=actor,
        metadata={"counterparty_id": recipient_id, **about},
    )


def _check_limits(sender_id: str, coins: int, *, now: datetime) -> None:
    limits = policies.values([Policy.Name.TIP_MIN_COINS, Policy.Name.TIP_DAILY_COINS], on=now)
    smallest, daily = limits[Policy.Name.TIP_MIN_COINS], limits[Policy.Name.TIP_DAILY_COINS]
    if coins < smallest:
        raise TipTooSmall(f"The smallest tip is {smallest} coins.", minimum_coins=smallest)
    # A sum is safe here: the sender's wallet is locked, and no tip of theirs goes past it.
    midnight = datetime.combine(now.date(), time(), UTC)
    today = Tip.objects.filter(sender_id=sender_id, sent_at__gte=midnight)
    sent = today.aggregate(coins=Sum("coins", default=0))["coins"]
    if sent + coins > daily:
        raise DailyLimitReached(
            f"{daily} coins a day, {sent} are sent.", limit_coins=daily, sent_coins=sent
        )
