"""What writers earn: who gets which part of a value, and the rows that say so."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from legato_payments.lib.money import Money, allocate
from payments import outbox
from payments.enums import BOOK_CURRENCY, Stream
from payments.ledger import Burned
from payments.outbox import EventType
from revenue.models import Authorship, Earning, SplitRule, StreamTerms, Writer
from revenue.services import splits


@dataclass(frozen=True, slots=True)
class Claim:
    """A writer's claim on a value, before it is known how large the value is.

    Args:
        share_bps: Of the content, among its authors.
        rule: What part of the stream is the writers'.
        matures_at: When the earning becomes available.
    """

    writer_id: str
    share_bps: int
    rule: SplitRule
    matures_at: datetime


@dataclass(frozen=True, slots=True)
class Share:
    """What a claim came to, in USD micros."""

    claim: Claim
    amount_micros: int


def content_claims(*, content_id: str, on: datetime) -> list[Claim]:
    """The authors' claims on a sale of one piece of content at ``on``.

    ``content.buy`` does this and ``split`` in SQL (``migrations/sql/0005_sales.sql``); a test
    proves the two equal on random inputs.
    """
    rows = Authorship.objects.filter(content_id=content_id, valid_to__isnull=True)
    shares = {row.writer: row.share_bps for row in rows.select_related("writer").order_by("id")}
    return _claims(shares, stream=Stream.CONTENT, on=on)


def tip_claims(*, writer_id: str, on: datetime) -> list[Claim]:
    """The one claim on a tip."""
    writer = Writer.objects.get(pk=writer_id)
    return _claims({writer: 10_000}, stream=Stream.TIP, on=on)


def split(*, value_micros: int, claims: Sequence[Claim]) -> list[Share]:
    """Divide a value among its claims; the platform has what is left (rules.md, rule 10).

    Together the writers have the value times their rate, rounded down to a micro; among themselves
    they divide that by largest remainder, in proportion to share times rate.
    """
    weights = {claim.writer_id: claim.share_bps * claim.rule.rate_bps for claim in claims}
    # Shares and rates are both in basis points: a weight of 10,000 x 10,000 is the whole value.
    for_writers = value_micros * sum(weights.values()) // 100_000_000
    if not for_writers:
        return [Share(claim, 0) for claim in claims]
    parts = allocate(for_writers, weights)
    return [Share(claim, parts[claim.writer_id]) for claim in claims]


def amounts(shares: Sequence[Share]) -> dict[str, int]:
    """USD micros by writer id, as a ledger template takes them."""
    return {share.claim.writer_id: share.amount_micros for share in shares}


def accrue(
    *,
    shares: Sequence[Share],
    transaction_id: UUID,
    stream: Stream,
    content_id: str,
    burned: Burned,
    reader_country: str,
    occurred_at: datetime,
) -> list[Earning]:
    """Write down what each writer earned from one ledger transaction."""
    return Earning.objects.bulk_create(
        Earning(
            transaction_id=transaction_id,
            writer_id=share.claim.writer_id,
            stream=stream,
            content_id=content_id,
            amount_micros=share.amount_micros,
            coins=burned.coins,
            promo_coins=burned.promo_coins,
            rule=share.claim.rule,
            rate_bps=share.claim.rule.rate_bps,
            share_bps=share.claim.share_bps,
            reader_country=reader_country,
            occurred_at=occurred_at,
            matures_at=share.claim.matures_at,
        )
        for share in shares
    )


def reverse(*, transaction_id: UUID, reversal_id: UUID, occurred_at: datetime) -> list[Earning]:
    """Take back every earning of a reversed transaction, with the maturity it had."""
    return Earning.objects.bulk_create(
        Earning(
            transaction_id=reversal_id,
            writer_id=earning.writer_id,
            stream=earning.stream,
            content_id=earning.content_id,
            amount_micros=-earning.amount_micros,
            coins=-earning.coins,
            promo_coins=-earning.promo_coins,
            rule_id=earning.rule_id,
            rate_bps=earning.rate_bps,
            share_bps=earning.share_bps,
            reader_country=earning.reader_country,
            occurred_at=occurred_at,
            matures_at=earning.matures_at,
            reverses=earning,
        )
        for earning in Earning.objects.filter(transaction_id=transaction_id).order_by("id")
    )


def events_of(rows: Iterable[Earning]) -> list[outbox.Event]:
    """What other services are told of earnings just written, reversals included."""
    return [
        outbox.Event(
            type=_event_type(earning),
            subject=earning.writer_id,
            payload=_payload(earning),
            occurred_at=earning.occurred_at,
        )
        for earning in rows
    ]


def _event_type(earning: Earning) -> EventType:
    is_taken = earning.reverses or earning.claws_back
    return EventType.EARNING_REVERSED if is_taken else EventType.EARNING_ACCRUED


def _payload(earning: Earning) -> dict[str, object]:
    original = earning.reverses or earning.claws_back
    return {
        "transaction_id": str(earning.transaction_id),
        "writer_id": earning.writer_id,
        "stream": earning.stream.lower(),
        "content_id": earning.content_id or None,
        "amount": Money(earning.amount_micros, BOOK_CURRENCY).to_json(),
        "coins": earning.coins,
        "promo_coins": earning.promo_coins,
        "matures_at": outbox.moment(earning.matures_at),
        **({"reversed_transaction_id": str(original.transaction_id)} if original else {}),
    }


def _claims(shares: Mapping[Writer, int], *, stream: Stream, on: datetime) -> list[Claim]:
    rules = splits.rules_for(shares, stream=stream, on=on)
    terms = splits.terms_of(stream, on=on)
    return [
        Claim(writer.pk, share_bps, rules[writer.pk], on + _hold(writer, terms, on=on))
        for writer, share_bps in shares.items()
    ]


def _hold(writer: Writer, terms: StreamTerms, *, on: datetime) -> timedelta:
    is_new = on - writer.first_seen_at < timedelta(days=terms.new_writer_days)
    return timedelta(days=terms.new_writer_hold_days if is_new else terms.hold_days)
