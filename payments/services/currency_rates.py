"""Exchange rates: fetch, guard, keep, and say which one is in force."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from django.db.transaction import atomic

from legato_payments.lib.errors import Refused, Unavailable
from payments import audit
from payments.enums import BOOK_CURRENCY, Currency
from payments.gateways.rates.base import Quote, RateProvider
from payments.models import CurrencyRate, Policy
from payments.queries import policies

MAX_AGE = timedelta(days=5)
"""However rarely its source publishes, an older rate is no rate (rules.md, rule 28)."""

GRACE = timedelta(hours=24)
"""How long a rate may be used past the day its source should have given a new one (rule 28)."""

RATE_STEP = Decimal("1e-12")
RATE_LIMIT = Decimal("1e12")
"""What a row of the history can hold: twelve digits before the point and twelve after it."""

WEEKDAY_SOURCES = frozenset({"ecb", "boc", "cbn", "frankfurter", "file", "manual"})
"""Central banks, and the people who copy from them, rest on weekends; others give a rate a day."""


class RateUnavailable(Unavailable):
    code = "rate_unavailable"
    title = "There is no current exchange rate for this currency."


class RateRefused(Refused):
    code = "rate_refused"
    title = "The rate looks wrong and was not taken."


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What one refresh did, in words for the operator."""

    recorded: list[CurrencyRate]
    refused: list[str]


def current(*, quote: str, now: datetime) -> CurrencyRate:
    """The newest rate from US dollars to ``quote``.

    Raises:
        RateUnavailable: There is none, or the newest is too old to be used.
    """
    rate = newest(quote=quote)
    if rate is None or now > usable_until(source=rate.source, as_of=rate.as_of):
        raise RateUnavailable(retry_after=3600)
    return rate


def newest(*, quote: str) -> CurrencyRate | None:
    """The newest rate from US dollars to ``quote``, however old."""
    rates = CurrencyRate.objects.filter(base=BOOK_CURRENCY, quote=quote)
    return rates.order_by("-as_of", "-id").first()


def usable_until(*, source: str, as_of: date) -> datetime:
    """When a rate of ``source`` for the day ``as_of`` stops being usable, UTC."""
    upcoming = as_of + timedelta(days=1)
    while source in WEEKDAY_SOURCES and upcoming.weekday() >= 5:
        upcoming += timedelta(days=1)
    # The new rate may come at any hour of its day, so grace counts from the end of that day.
    late = _start_of(upcoming + timedelta(days=1)) + GRACE
    return min(late, _start_of(as_of) + MAX_AGE)


def refresh(*, provider: RateProvider, now: datetime) -> Refreshed:
    """Fetch the rates we need and record those that pass the guards.

    A rate that looks wrong is left out and named; the others still count.

    Raises:
        RateSourceUnreadable: The source gave nothing usable.
    """
    pairs = [(str(BOOK_CURRENCY), str(c)) for c in Currency if c != BOOK_CURRENCY]
    quotes = provider.fetch(pairs, now.date())
    result = Refreshed(recorded=[], refused=[])
    for quote in quotes:
        try:
            row = record(quote=quote, actor="system:refresh-rates", now=now)
        except RateRefused as refusal:
            result.refused.append(f"{quote.base}/{quote.quote}: {refusal}")
        else:
            if row:
                result.recorded.append(row)
    missing = set(pairs) - {(quote.base, quote.quote) for quote in quotes}
    result.refused.extend(f"{base}/{quote}: not given" for base, quote in sorted(missing))
    return result


@atomic
def record(
    *, quote: Quote, actor: str, now: datetime, reason: str = "", allow_jump: bool = False
) -> CurrencyRate | None:
    """Keep a rate in the history, where it becomes the newest.

    Args:
        reason: Why a person sets it by hand.
        allow_jump: A person confirmed that the rate really moved this far.

    Returns:
        The new row, or ``None`` when the newest row says the same already.

    Raises:
        RateRefused: Not above zero, beyond all reason, dated in the future or before the newest
            one, or further from the newest than the jump guard allows.
    """
    quote = _as_kept(quote)
    before = newest(quote=quote.quote)
    if before and _same(before, quote):
        return None
    _check(quote, before, now=now, allow_jump=allow_jump)
    row = CurrencyRate.objects.create(
        base=quote.base,
        quote=quote.quote,
        rate=quote.rate,
        as_of=quote.as_of,
        source=quote.source,
        fetched_at=now,
        created_by=actor,
        reason=reason,
    )
    audit.record(
        actor=actor,
        action="payments.currency_rate.recorded",
        object_type="currency_rate",
        object_id=f"{quote.base}/{quote.quote}",
        now=now,
        before={"rate": f"{before.rate.normalize():f}"} if before else None,
        after={"rate": f"{row.rate.normalize():f}", "as_of": str(row.as_of), "source": row.source},
        reason=reason,
    )
    return row


def _as_kept(quote: Quote) -> Quote:
    # Rounded before it is compared: the same rate with more digits is no news.
    if abs(quote.rate) >= RATE_LIMIT:
        raise RateRefused(f"{quote.rate} is beyond all reason.")
    return replace(quote, rate=quote.rate.quantize(RATE_STEP))


def _same(before: CurrencyRate, quote: Quote) -> bool:
    return (before.rate, before.as_of, before.source) == (quote.rate, quote.as_of, quote.source)


def _check(quote: Quote, before: CurrencyRate | None, *, now: datetime, allow_jump: bool) -> None:
    if quote.rate <= 0:
        raise RateRefused("A rate must be above zero.")
    if quote.as_of > now.date():
        raise RateRefused(f"{quote.as_of} lies in the future.")
    if before is None:
        return
    if quote.as_of < before.as_of:
        raise RateRefused(f"{quote.as_of} is before the newest rate, of {before.as_of}.")
    limit = policies.value(Policy.Name.RATE_MAX_JUMP_BPS, on=now)
    moved = abs(quote.rate - before.rate) / before.rate * 10_000
    if moved > limit and not allow_jump:
        given, last = quote.rate.normalize(), before.rate.normalize()
        raise RateRefused(
            f"{given:f} is {_percent(moved)} % away from {last:f};"
            f" the guard is at {_percent(Decimal(limit))} %."
        )


def _percent(bps: Decimal) -> str:
    return f"{bps / 100:.1f}"


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
