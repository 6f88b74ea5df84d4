"""What we can tell a payer's bank about a disputed purchase, from our own books."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from access.models import Content
from access.queries import trace
from access.queries.trace import Use
from legato_payments.lib.money import Money
from payments.gateways.values import Evidence
from payments.models import Customer, Dispute, LotUse, Purchase

MAX_TEXT = 20_000
"""Characters of one text: the least that a gateway takes (Stripe, disputes, evidence)."""

LINES = 150
"""Openings of chapters in the log, the newest: whoever decides reads no more."""


@dataclass(frozen=True, slots=True)
class Known:
    """What speaks for us.

    Args:
        evidence: As far as it can be written by itself; people complete it.
        openings: Chapters and tips that the buyer paid with these coins.
        earlier: Other settled purchases of the buyer that nobody disputes.
        has_consent: The buyer asked for the coins at once, and acknowledged what follows from it.
        has_email: The profile has an address; it is not shown.
    """

    evidence: Evidence
    openings: int
    earlier: int
    has_consent: bool
    has_email: bool


def of(dispute: Dispute) -> Known:
    """What is known of a dispute's purchase and of its buyer."""
    purchase = dispute.purchase
    openings = _openings(purchase)
    consent = purchase.consent or {}
    settled = Purchase.objects.filter(
        user_id=purchase.user_id, status=Purchase.Status.SUCCEEDED, disputes__isnull=True
    )
    customer = Customer.objects.filter(pk=purchase.user_id).first()
    has_consent = bool(consent.get("immediate_delivery")) and bool(consent.get("acknowledged"))
    return Known(
        evidence=Evidence(
            product_description=_product(purchase),
            access_log=_log(openings),
            terms=_terms(consent) if has_consent else "",
            message=_receipt(purchase),
        ),
        openings=len(openings),
        earlier=settled.exclude(pk=purchase.pk).count(),
        has_consent=has_consent,
        has_email=bool(customer and customer.email),
    )


def _openings(purchase: Purchase) -> list[Use]:
    """Sales and tips out of the buyer's own wallet; what other readers did is not told."""
    found = trace.of_purchase(transaction_id=purchase.pk)
    if found is None:
        return []
    mine = (lot for lot in found.lots if lot.user_id == purchase.user_id)
    uses = (use for lot in mine for use in lot.used)
    kinds = (LotUse.Kind.SPEND, LotUse.Kind.TIP)
    return sorted(
        (use for use in uses if use.kind in kinds and not use.moved_to),
        key=lambda use: use.occurred_at,
    )


def _product(purchase: Purchase) -> str:
    version = purchase.package_version
    name = f" (package “{version.package.name}”)" if version else ""
    return (
        f"{purchase.credited_coins:,} coins{name} in a reader's account, with which chapters of"
        " serial fiction are opened and writers are tipped. Digital goods, delivered into the"
        " account as soon as the payment was captured."
    )


def _log(openings: Sequence[Use]) -> str:
    lines = list(_lines(openings[-LINES:]))
    while len("\n".join(lines)) > MAX_TEXT:
        lines.pop(0)
    return "\n".join(lines)


def _lines(openings: Sequence[Use]) -> Iterator[str]:
    ids = {use.content_id for use in openings if use.content_id}
    titles = dict(Content.objects.filter(pk__in=ids).values_list("pk", "title"))
    for use in openings:
        coins = f"{use.to_coin - use.from_coin:,} coins"
        if use.kind == LotUse.Kind.TIP:
            yield f"{_moment(use.occurred_at)}: tipped a writer with {coins}"
        else:
            title = titles.get(use.content_id or "", "")
            name = f"“{title}” ({use.content_id})" if title else use.content_id
            yield f"{_moment(use.occurred_at)}: opened {name} for {coins}"


def _terms(consent: dict[str, object]) -> str:
    words = "The reader asked for immediate delivery and acknowledged what follows from it"
    version = consent.get("terms_version") or consent.get("version")
    return f"{words} (terms {version})." if version else f"{words}."


def _receipt(purchase: Purchase) -> str:
    total = Money(purchase.total_micros, purchase.currency)
    tax = f", of this {Money(purchase.tax_micros, purchase.currency)} tax"
    paid = f"{total}{tax if purchase.tax_micros else ''}"
    words = f"Receipt of payment {purchase.reference}: {paid}, paid {_moment(purchase.settled_at)}."
    if purchase.refunded_micros:
        words += f" {Money(purchase.refunded_micros, purchase.currency)} were paid back since."
    return words


def _moment(when: datetime | None) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if when else "at no known time"
