"""The table of tax rules, and where we are registered: rows are added, never changed."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from django.db.transaction import atomic

from legato_payments.lib.errors import Conflict
from legato_payments.lib.money import MICROS
from payments import audit
from payments.gateways.tax.base import NoTaxRule
from payments.models import TaxRegistration, TaxRule
from payments.services import policies

TABLE = Path(__file__).resolve().parent.parent / "data" / "tax_rules.csv"
"""The rules that every installation starts with, one a line."""

PLAIN = (
    "jurisdiction",
    "owed_to",
    "subject",
    "kind",
    "payer",
    "payee_residence",
    "payee_country",
    "payee_type",
    "form_on_file",
    "item",
    "tax_name",
    "threshold_currency",
    "threshold_basis",
    "form",
    "certainty",
    "source",
    "note",
)
"""Columns of the table that are fields of a rule as they are."""

BY = "system:load-tax-rules"


class RuleUnchanged(Conflict):
    """The row in force says the same."""

    title = "The rule in force says the same already; nothing was recorded."


class RegistrationUnchanged(Conflict):
    """The registration in force says the same."""

    title = "The registration says the same already; nothing was recorded."


class StartsInThePast(policies.StartsInThePast):
    """The first day has passed."""

    title = "A tax changes from today on, or later."


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What an office and we have agreed on.

    Args:
        jurisdiction: Of the office: ``CA`` for GST and HST, ``CA-QC`` for QST.
        number: Ours there; empty when we are not registered any more.
        is_inclusive: Prices shown to its readers have the tax in them.
    """

    jurisdiction: str
    is_registered: bool
    number: str
    is_inclusive: bool


def load(*, now: datetime) -> int:
    """Add the rules of the table that are missing; how many. The same again adds none.

    A line is missing when no row has its code and its first day, so what finance superseded stays
    superseded.
    """
    present = set(TaxRule.objects.values_list("code", "effective_from"))
    missing = [
        TaxRule(**fields, created_at=now, created_by=BY)
        for fields in rows()
        if (fields["code"], fields["effective_from"]) not in present
    ]
    TaxRule.objects.bulk_create(missing)
    return len(missing)


def rows() -> Iterator[dict[str, Any]]:
    """The lines of the table as fields of ``TaxRule``."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            yield _fields(line)


def in_force(code: str, *, on: date) -> TaxRule | None:
    """The row of a line that counts on a day, also when it says that the line is off."""
    begun = TaxRule.objects.filter(code=code, effective_from__lte=on)
    return begun.order_by("-effective_from", "-id").first()


@atomic
def add(*, fields: Mapping[str, Any], actor: str, reason: str, now: datetime) -> TaxRule:
    """Put a row of a rule in force from its ``effective_from`` on; what was before stays readable.

    Args:
        fields: Of ``TaxRule``, but for who made it, when and why.

    Raises:
        StartsInThePast: What was taxed already would have been taxed otherwise.
        RuleUnchanged: The row in force then says the same.
    """
    if fields["effective_from"] < now.date():
        raise StartsInThePast
    before = in_force(fields["code"], on=fields["effective_from"])
    row = TaxRule(**fields, created_at=now, created_by=actor, reason=reason)
    if before and describe(before) == describe(row):
        raise RuleUnchanged
    row.save()
    audit.record(
        actor=actor,
        action="payments.tax_rule.changed",
        object_type="tax_rule",
        object_id=row.code,
        now=now,
        before=describe(before) if before else None,
        after={**describe(row), "effective_from": row.effective_from.isoformat()},
        reason=reason,
    )
    return row


@atomic
def register(
    *, registration: Registration, valid_from: date, actor: str, reason: str, now: datetime
) -> TaxRegistration:
    """Collect for an office from a day on, or no more.

    Raises:
        StartsInThePast: Sales of that time were taxed already, or were not.
        NoTaxRule: No rule in force says what the office gets, so every sale would be refused.
        RegistrationUnchanged: The registration in force then says the same.
    """
    if valid_from < now.date():
        raise StartsInThePast
    if registration.is_registered:
        _require_rule(registration.jurisdiction, on=valid_from)
    begun = TaxRegistration.objects.filter(
        jurisdiction=registration.jurisdiction, valid_from__lte=valid_from
    )
    before = begun.order_by("-valid_from", "-id").first()
    if before is not None and describe_registration(before) == describe_registration(registration):
        raise RegistrationUnchanged
    row = TaxRegistration.objects.create(
        jurisdiction=registration.jurisdiction,
        is_registered=registration.is_registered,
        number=registration.number,
        is_inclusive=registration.is_inclusive,
        valid_from=valid_from,
        created_at=now,
        created_by=actor,
        reason=reason,
    )
    audit.record(
        actor=actor,
        action="payments.tax_registration.changed",
        object_type="tax_registration",
        object_id=row.jurisdiction,
        now=now,
        before=describe_registration(before) if before else None,
        after={**describe_registration(row), "valid_from": valid_from.isoformat()},
        reason=reason,
    )
    return row


def describe(rule: TaxRule) -> dict[str, Any]:
    """What of a rule people decide on, ready for JSON; the days are told apart from it."""
    return {
        "jurisdiction": rule.jurisdiction,
        "owed_to": rule.owed_to,
        "tax_name": rule.tax_name,
        "rate_ppm": rule.rate_ppm,
        "multiplier": rule.multiplier,
        "threshold_micros": rule.threshold_micros,
        "is_active": rule.is_active,
        "effective_to": rule.effective_to.isoformat() if rule.effective_to else None,
        "certainty": rule.certainty,
        "source": rule.source,
        "note": rule.note,
    }


def describe_registration(row: TaxRegistration | Registration) -> dict[str, Any]:
    """The same of a registration."""
    return {
        "is_registered": row.is_registered,
        "number": row.number,
        "is_inclusive": row.is_inclusive,
    }


def _require_rule(office: str, *, on: date) -> None:
    collected = TaxRule.objects.in_force(on).filter(
        subject=TaxRule.Subject.READER, kind=TaxRule.Kind.COLLECT, owed_to=office
    )
    if not collected.exists():
        raise NoTaxRule(f"No rule in force on {on} says what {office} gets: add or activate it.")


def _fields(line: Mapping[str, str]) -> dict[str, Any]:
    return {
        **{name: line[name] for name in PLAIN},
        "code": line["id"],
        "has_tax_number": _truth(line["has_tax_number"]),
        "domestic_source_only": bool(_truth(line["domestic_source_only"])),
        "is_active": bool(_truth(line["active"])),
        "rate_ppm": _number(line["rate_ppm"]),
        "multiplier": _number(line["multiplier"]),
        "threshold_micros": int(line["threshold"]) * MICROS if line["threshold"] else None,
        "effective_from": date.fromisoformat(line["effective_from"]),
        "effective_to": date.fromisoformat(line["effective_to"]) if line["effective_to"] else None,
    }


def _truth(text: str) -> bool | None:
    return {"": None, "yes": True, "no": False}[text]


def _number(text: str) -> int | None:
    return int(text) if text else None
