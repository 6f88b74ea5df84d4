"""Sales tax by our own rules (rules.md, section 5): the table, and where we are registered."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from legato_payments.lib.money import Money, micros_per_minor
from payments.gateways.tax.base import Assessment, Ground, NoTaxRule, Place, PlaceUnknown, TaxLine
from payments.models import TaxRegistration, TaxRule

PPM = 1_000_000


class RulesTax:
    """The default: each office that we are registered with gets what its rule says."""

    code = "rules"

    def assess(self, *, price: Money, place: Place, on: date) -> Assessment:
        """See ``TaxProvider``.

        Raises:
            PlaceUnknown: We are registered somewhere, and do not know whether the reader is there.
            NoTaxRule: We are registered with an office that has no rule for the place.
        """
        registrations = list(TaxRegistration.objects.in_force(on))
        _require_known(place, registrations)
        mine = [r for r in registrations if r.jurisdiction in place.jurisdictions]
        if not mine:
            return Assessment(net=price, ground=Ground.NOT_REGISTERED)
        rules = _rules_for(place, on)
        due = [(_rule_of(registration, rules, place), registration) for registration in mine]
        return compute(price, due)


def compute(price: Money, due: Sequence[tuple[TaxRule, TaxRegistration]]) -> Assessment:
    """The tax on a price, line by line, each rounded half up to the minor unit.

    Inclusive taxes are taken out of the price first; the others come on top of what is left, none
    on top of another (Quebec's is on the price without GST since 2013).
    """
    inclusive = sum(_rate(rule) for rule, at in due if at.is_inclusive)
    gross_up = 1 + Fraction(inclusive)
    kept_in = {
        rule.code: _round(price.micros * _rate(rule) / gross_up, price.currency)
        for rule, registration in due
        if registration.is_inclusive
    }
    net = Money(price.micros - sum(kept_in.values()), price.currency)
    lines = [
        TaxLine(
            jurisdiction=registration.jurisdiction,
            name=rule.tax_name,
            rate_ppm=rule.rate_ppm or 0,
            amount=Money(
                kept_in.get(rule.code, _round(net.micros * _rate(rule), net.currency)),
                net.currency,
            ),
            is_inclusive=registration.is_inclusive,
            number=registration.number,
            rule=rule,
        )
        for rule, registration in due
    ]
    ground = Ground.TAXED if any(line.rate_ppm for line in lines) else Ground.NOT_TAXABLE
    return Assessment(net=net, ground=ground, lines=lines)


def _require_known(place: Place, registrations: Sequence[TaxRegistration]) -> None:
    offices = [registration.jurisdiction for registration in registrations]
    if offices and not place.country:
        raise PlaceUnknown("country", "The country is needed to know the tax.")
    # The office of a province alone: the reader may live there, or not.
    if not place.region and any(office.startswith(f"{place.country}-") for office in offices):
        raise PlaceUnknown("region", f"The region of {place.country} is needed to know the tax.")


def _rules_for(place: Place, on: date) -> list[TaxRule]:
    rules = TaxRule.objects.in_force(on).filter(
        subject=TaxRule.Subject.READER,
        kind=TaxRule.Kind.COLLECT,
        jurisdiction__in=place.jurisdictions,
    )
    return list(rules.order_by("code"))


def _rule_of(registration: TaxRegistration, rules: Sequence[TaxRule], place: Place) -> TaxRule:
    found = [rule for rule in rules if rule.owed_to == registration.jurisdiction]
    if len(found) == 1:
        return found[0]
    if len(found) > 1:
        codes = ", ".join(rule.code for rule in found)
        raise NoTaxRule(f"Several rules say what {registration.jurisdiction} gets: {codes}.")
    if not place.region:
        raise PlaceUnknown("region", f"The region of {place.country} is needed to know the tax.")
    raise NoTaxRule(f"No rule says what {registration.jurisdiction} gets for a sale to {place}.")


def _rate(rule: TaxRule) -> Fraction:
    assert rule.rate_ppm is not None, rule  # kept by payments_taxrule_active_has_rate
    return Fraction(rule.rate_ppm, PPM)


def _round(micros: Fraction, currency: str) -> int:
    step = micros_per_minor(currency)
    return int((micros / step + Fraction(1, 2)) // 1) * step
