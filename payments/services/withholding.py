"""What is kept back for a tax office when a writer is paid, and what has to be reported.

A rule that fits is always needed: nobody is paid whole because nothing was found (rule 29).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from legato_payments.lib.money import Money, micros_per_minor
from payments.gateways.tax.base import NoTaxRule
from payments.models import TaxRule

PPM = 1_000_000

Item = TaxRule.Item
Kind = TaxRule.Kind

ROYALTIES = frozenset({Item.ROYALTY, Item.ROYALTY_COPYRIGHT, Item.ROYALTY_OTHER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Payee:
    """A writer, to a tax office.

    Args:
        country: Where the writer is taxed, ISO 3166-1.
        kind: INDIVIDUAL or COMPANY.
        form: The valid form on file: W-9, W-8BEN, NR301; empty when there is none.
        has_tax_number: A valid number was given: of the payer's country, or on a treaty form.
    """

    country: str
    kind: str = TaxRule.PayeeType.INDIVIDUAL
    form: str = ""
    has_tax_number: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """The company of ours that pays.

    Args:
        country: Where it is taxed.
        is_small: It counts as a small company there.
    """

    country: str
    is_small: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """What a writer is paid.

    Args:
        item: What for, of ``TaxRule.Item``.
        amount: Before anything is kept back.
        domestic: The part that readers in the payer's country paid for.
        paid_this_month: To the same writer before, in this month.
    """

    item: str
    amount: Money
    domestic: Money
    paid_this_month: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """What is kept back, and why.

    Args:
        base: The part of the payment that the rate is of.
        rule: Whose rate it is.
    """

    amount: Money
    base: Money
    rate_ppm: int
    rule: TaxRule


def withhold(*, payment: Payment, payee: Payee, payer: Payer, on: date) -> Withheld:
    """What the payer keeps back of a payment, rounded half up to the minor unit.

    Raises:
        NoTaxRule: No rule says so, or two contradict each other; the payment has to wait.
    """
    rules = TaxRule.objects.in_force(on).filter(
        subject=TaxRule.Subject.WRITER, kind=Kind.WITHHOLD, jurisdiction=payer.country
    )
    rule, rate = rate_of(rules, payment=payment, payee=payee, payer=payer)
    base = payment.domestic if rule.domestic_source_only else payment.amount
    step = micros_per_minor(base.currency)
    units = Fraction(base.micros * rate, PPM * step) + Fraction(1, 2)
    amount = Money((units // 1) * step, base.currency)
    return Withheld(amount=amount, base=base, rate_ppm=rate, rule=rule)


def rate_of(
    rules: Iterable[TaxRule], *, payment: Payment, payee: Payee, payer: Payer
) -> tuple[TaxRule, int]:
    """The rule that fits best, and its rate in millionths, multiplied where a rule says so.

    The rule with the most telling criteria wins: first the kind of payer, then the payee's own
    country, residence, kind, form and number, at last the item.

    Raises:
        NoTaxRule: None fits, or two fit equally well and differ.
    """
    fitting = [rule for rule in rules if _fits(rule, payment, payee, payer)]
    rule = _best([rule for rule in fitting if rule.rate_ppm is not None])
    assert rule.rate_ppm is not None
    rate = rule.rate_ppm
    for multiplying in fitting:
        rate *= multiplying.multiplier or 1
    return rule, min(rate, PPM)


def report_rule(*, item: str, payee: Payee, payer: Payer, on: date) -> TaxRule:
    """The rule by which payments of a kind are reported, with its limit and its form.

    Args:
        on: The last day of the year that is reported.

    Raises:
        NoTaxRule: None says so.
    """
    rules = TaxRule.objects.in_force(on).filter(
        subject=TaxRule.Subject.WRITER, kind=Kind.REPORT, jurisdiction=payer.country
    )
    nothing = Money(0, "USD")
    payment = Payment(item=item, amount=nothing, domestic=nothing)
    return _best([rule for rule in rules if _fits(rule, payment, payee, payer)])


def must_report(rule: TaxRule, *, total_micros: int, withheld_micros: int = 0) -> bool:
    """Whether a year's payments reach the limit of a rule of reporting, in its own currency."""
    limit = rule.threshold_micros or 0
    match rule.threshold_basis:
        case TaxRule.Basis.CALENDAR_YEAR_GTE:
            return total_micros >= limit
        case TaxRule.Basis.CALENDAR_YEAR_GTE_OR_WITHHELD:
            return total_micros >= limit or withheld_micros > 0
        case _:
            return total_micros > limit


def _fits(rule: TaxRule, payment: Payment, payee: Payee, payer: Payer) -> bool:
    residence = (
        TaxRule.Residence.RESIDENT
        if payee.country == rule.jurisdiction
        else TaxRule.Residence.NON_RESIDENT
    )
    return (
        _fits_payer(rule, payment, payer)
        and rule.payee_residence in ("", residence)
        and rule.payee_country in ("", payee.country)
        and rule.payee_type in ("", payee.kind)
        and rule.form_on_file in ("", payee.form or TaxRule.Form.NONE)
        and rule.has_tax_number in (None, payee.has_tax_number)
        and rule.item in ("", payment.item, *([Item.ROYALTY] if payment.item in ROYALTIES else []))
    )


def _fits_payer(rule: TaxRule, payment: Payment, payer: Payer) -> bool:
    if rule.payer == TaxRule.Payer.SMALL_ENTITY:
        paid = payment.amount.micros + payment.paid_this_month
        is_below = (
            rule.threshold_basis == TaxRule.Basis.MONTH_LTE
            and rule.threshold_currency == payment.amount.currency
            and paid <= (rule.threshold_micros or 0)
        )
        return payer.is_small and is_below
    return rule.payer == TaxRule.Payer.ENTITY


def _best(rules: Sequence[TaxRule]) -> TaxRule:
    if not rules:
        raise NoTaxRule
    ranked = sorted(rules, key=_telling, reverse=True)
    first = ranked[0]
    for other in ranked[1:]:
        is_as_good = _telling(other) == _telling(first)
        if is_as_good and _says(other) != _says(first):
            raise NoTaxRule(f"{first.code} and {other.code} contradict each other.")
    return first


def _says(rule: TaxRule) -> tuple[object, ...]:
    return (rule.rate_ppm, rule.domestic_source_only, rule.threshold_micros, rule.form)


def _telling(rule: TaxRule) -> tuple[int, ...]:
    return (
        rule.payer == TaxRule.Payer.SMALL_ENTITY,
        bool(rule.payee_country),
        bool(rule.payee_residence),
        bool(rule.payee_type),
        bool(rule.form_on_file),
        rule.has_tax_number is not None,
        1 if rule.item == Item.ROYALTY else 2 * bool(rule.item),
    )
