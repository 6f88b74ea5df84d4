"""Changes of tax rules and registrations that another person has to agree to."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db import models

from legato_payments.lib.errors import Conflict, Missing
from payments import approvals
from payments.approvals import Order, Target
from payments.models import ApprovalRequest, TaxRegistration, TaxRule
from payments.services import tax_rules
from payments.services.proposals import BaseChanged
from payments.services.tax_rules import Registration

CHANGE_RULE = "payments.change_tax_rule"
CHANGE_REGISTRATION = "payments.change_tax_registration"

COPIED = tuple(
    field.name
    for field in TaxRule._meta.get_fields()  # noqa: SLF001
    if isinstance(field, models.Field)
    and field.name not in {"id", "created_at", "created_by", "reason", "effective_from"}
)
"""What the next row of a rule takes over from the last one, unless it is changed."""


class RuleUnknown(Missing):
    """No row has this code."""

    title = "There is no such tax rule."


class CodeTaken(Conflict):
    code = "code_taken"
    title = "There is a rule with this code; change that one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What of a rule becomes different.

    Args:
        rate_ppm: Millionths; none only for a rule that has no rate.
        threshold_micros: Of the rule's own currency.
        effective_to: The last day; none: until further notice.
    """

    rate_ppm: int | None
    threshold_micros: int | None
    is_active: bool
    effective_to: date | None
    certainty: str
    source: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SalesTax:
    """A sales tax that no rule names yet.

    Args:
        code: Names the line for ever.
        jurisdiction: Where it holds.
        owed_to: Whose tax office gets it.
        tax_name: As receipts say it.
    """

    code: str
    jurisdiction: str
    owed_to: str
    tax_name: str
    rate_ppm: int
    form: str
    certainty: str
    source: str
    note: str


def change_rule(
    *,
    code: str,
    change: Change,
    effective_from: date | None,
    actor: str,
    reason: str,
    now: datetime,
) -> TaxRule | ApprovalRequest:
    """Let a rule say something else from a day on.

    Args:
        effective_from: None: from the day it is approved.

    Raises:
        RuleUnknown: No row has the code.
        tax_rules.StartsInThePast, tax_rules.RuleUnchanged: As ``tax_rules.add``.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    base = _rule_at(code, effective_from, now)
    if base is None:
        raise RuleUnknown
    fields = {name: getattr(base, name) for name in COPIED} | {
        "rate_ppm": change.rate_ppm,
        "threshold_micros": change.threshold_micros,
        "is_active": change.is_active,
        "effective_to": change.effective_to,
        "certainty": change.certainty,
        "source": change.source,
        "note": change.note,
    }
    return _propose_rule(base, fields, effective_from, actor=actor, reason=reason, now=now)


def add_sales_tax(
    *, tax: SalesTax, effective_from: date | None, actor: str, reason: str, now: datetime
) -> TaxRule | ApprovalRequest:
    """A rule for a place that has none yet.

    Raises:
        CodeTaken: A row has the code.
        tax_rules.StartsInThePast: As ``tax_rules.add``.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    if TaxRule.objects.filter(code=tax.code).exists():
        raise CodeTaken
    blank = TaxRule()
    fields = {name: getattr(blank, name) for name in COPIED} | {
        "code": tax.code,
        "jurisdiction": tax.jurisdiction,
        "owed_to": tax.owed_to,
        "subject": TaxRule.Subject.READER.value,
        "kind": TaxRule.Kind.COLLECT.value,
        "payer": TaxRule.Payer.REGISTERED.value,
        "item": TaxRule.Item.DIGITAL_CONTENT.value,
        "tax_name": tax.tax_name,
        "rate_ppm": tax.rate_ppm,
        "form": tax.form,
        "certainty": tax.certainty,
        "source": tax.source,
        "note": tax.note,
    }
    return _propose_rule(None, fields, effective_from, actor=actor, reason=reason, now=now)


def carry_out_rule(order: Order) -> TaxRule:
    """Add the row of a proposal.

    Raises:
        BaseChanged: The rule says something else by now.
        tax_rules.StartsInThePast: It was approved after it should have started.
        tax_rules.RuleUnchanged: As ``tax_rules.add``.
    """
    after = dict(order.payload["after"])
    start = _day(after.pop("effective_from"))
    present = _rule_at(order.target.id, start, order.now)
    if (tax_rules.describe(present) if present else {}) != order.payload["before"]:
        raise BaseChanged
    fields = {
        **after,
        "effective_from": start or order.now.date(),
        "effective_to": _day(after["effective_to"]),
    }
    return tax_rules.add(fields=fields, actor=order.maker, reason=order.reason[:200], now=order.now)


def register(
    *,
    registration: Registration,
    valid_from: date | None,
    actor: str,
    reason: str,
    now: datetime,
) -> TaxRegistration | ApprovalRequest:
    """Collect for a tax office from a day on, or no more.

    Args:
        valid_from: None: from the day it is approved.

    Raises:
        tax_rules.StartsInThePast, tax_rules.RegistrationUnchanged, NoTaxRule: As
            ``tax_rules.register``.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    office = registration.jurisdiction
    before = _registration_at(office, valid_from or now.date())
    after = tax_rules.describe_registration(registration)
    what = f"registered as {registration.number}" if registration.is_registered else "no more"
    return approvals.propose(
        action=CHANGE_REGISTRATION,
        target=Target("tax_registration", office),
        payload={
            "before": before,
            "after": {**after, "valid_from": valid_from.isoformat() if valid_from else None},
        },
        summary=f"Sales tax for {office}: {what}, {_starting(valid_from)}",
        maker=actor,
        reason=reason,
        effect=carry_out_registration,
        now=now,
    )


def carry_out_registration(order: Order) -> TaxRegistration:
    """Put the registration of a proposal in force.

    Raises:
        BaseChanged: The registration says something else by now.
        tax_rules.StartsInThePast: It was approved after it should have started.
        tax_rules.RegistrationUnchanged, NoTaxRule: As ``tax_rules.register``.
    """
    office, after = order.target.id, order.payload["after"]
    start = _day(after["valid_from"]) or order.now.date()
    if _registration_at(office, start) != order.payload["before"]:
        raise BaseChanged
    return tax_rules.register(
        registration=Registration(
            jurisdiction=office,
            is_registered=after["is_registered"],
            number=after["number"],
            is_inclusive=after["is_inclusive"],
        ),
        valid_from=start,
        actor=order.maker,
        reason=order.reason[:200],
        now=order.now,
    )


def _propose_rule(
    base: TaxRule | None,
    fields: dict[str, Any],
    effective_from: date | None,
    *,
    actor: str,
    reason: str,
    now: datetime,
) -> TaxRule | ApprovalRequest:
    end: date | None = fields["effective_to"]
    before = _rate(base.rate_ppm) if base else "none"
    return approvals.propose(
        action=CHANGE_RULE,
        target=Target("tax_rule", fields["code"]),
        payload={
            "before": tax_rules.describe(base) if base else {},
            "after": {
                **fields,
                "effective_to": end.isoformat() if end else None,
                "effective_from": effective_from.isoformat() if effective_from else None,
            },
        },
        summary=f"Tax rule {fields['code']}: {before} → {_rate(fields['rate_ppm'])},"
        f" {'on' if fields['is_active'] else 'off'}, {_starting(effective_from)}",
        maker=actor,
        reason=reason,
        effect=carry_out_rule,
        now=now,
    )


def _rule_at(code: str, day: date | None, now: datetime) -> TaxRule | None:
    # A day that has passed is refused further on; until then the rule of today is meant.
    return tax_rules.in_force(code, on=max(day or now.date(), now.date()))


def _registration_at(office: str, day: date) -> dict[str, Any]:
    rows = TaxRegistration.objects.filter(jurisdiction=office, valid_from__lte=day)
    row = rows.order_by("-valid_from", "-id").first()
    return tax_rules.describe_registration(row) if row else {}


def _rate(rate_ppm: int | None) -> str:
    return "no rate" if rate_ppm is None else f"{Decimal(rate_ppm).scaleb(-4).normalize():f} %"


def _starting(day: date | None) -> str:
    return f"from {day}" if day else "from its approval"


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
