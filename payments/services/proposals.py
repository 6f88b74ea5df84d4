"""Changes of packages, rates and limits that another person has to agree to.

Each function proposes a change; its ``carry_out_…`` twin is the effect, run by the job of the same
action. A payload is what people are shown: the state ``before``, and ``after`` what would be.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from legato_payments.lib.errors import Conflict
from legato_payments.lib.money import Money
from payments import approvals
from payments.approvals import Order, Target, wording
from payments.enums import BOOK_CURRENCY
from payments.gateways.rates.base import Quote
from payments.models import ApprovalRequest, CoinPackage, CurrencyRate, Policy
from payments.queries import packages as package_queries
from payments.queries import policies as policy_queries
from payments.services import currency_rates, packages, policies

CHANGE_PACKAGE = "payments.change_package"
SET_RATE = "payments.set_rate"
CHANGE_POLICY = "payments.change_policy"

MANUAL = "manual"
"""The source of a rate that a person sets."""


class RateUnchanged(Conflict):
    """The newest row of the pair says the same already."""

    title = "This is the newest rate already; nothing was recorded."


class BaseChanged(Conflict):
    code = "base_changed"
    title = "The value in force is not the one this proposal was made against."


def create_package(
    *,
    name: str,
    terms: packages.Terms,
    is_active: bool,
    actor: str,
    now: datetime,
    reason: str = "",
) -> CoinPackage | ApprovalRequest:
    """Put a new package on the shelf: at once while nobody can buy it, else with another's consent.

    Raises:
        packages.NameTaken, packages.PriceMissing, packages.PriceFractional: As ``packages.create``.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    if not is_active:
        return packages.create(
            name=name, terms=terms, is_active=False, actor=actor, now=now, reason=reason
        )
    after = _described(name, terms, is_active=True)
    return approvals.propose(
        action=CHANGE_PACKAGE,
        target=Target("coin_package", name),
        payload={"before": {}, "after": after},
        summary=f"New coin package on sale: {wording.differences({}, after)}",
        maker=actor,
        reason=reason,
        effect=carry_out_package,
        now=now,
    )


def change_package(
    *,
    package_id: UUID,
    expected_version: int,
    actor: str,
    now: datetime,
    name: str | None = None,
    terms: packages.Terms | None = None,
    is_active: bool | None = None,
    reason: str = "",
) -> CoinPackage | ApprovalRequest:
    """Change a package: what readers would pay or get needs another person, all else is done.

    Raises:
        packages.PackageUnknown, packages.VersionStale, packages.NameTaken, packages.PriceMissing,
            packages.PriceFractional: As ``packages.change``.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    package = package_queries.with_prices().filter(pk=package_id).first()
    if package is None or package.current is None:
        raise packages.PackageUnknown
    if not _is_sensitive(package, terms, is_active):
        return packages.change(
            package_id=package_id,
            expected_version=expected_version,
            name=name,
            terms=terms,
            is_active=is_active,
            reason=reason,
            actor=actor,
            now=now,
        )
    before = packages.describe(package, package.current) | {"version": expected_version}
    after = {"version": expected_version + 1} | _described(
        package.name if name is None else name,
        terms or packages.terms_of(package.current),
        is_active=package.is_active if is_active is None else is_active,
    )
    return approvals.propose(
        action=CHANGE_PACKAGE,
        target=Target("coin_package", str(package_id)),
        payload={"before": before, "after": after},
        summary=f"{package.name}: {wording.differences(before, after)}",
        maker=actor,
        reason=reason,
        effect=carry_out_package,
        now=now,
    )


def carry_out_package(order: Order) -> CoinPackage:
    """Create or change the package of a proposal.

    Raises:
        packages.VersionStale: Somebody changed it since; and all else that ``packages`` refuses.
    """
    before, after = order.payload["before"], order.payload["after"]
    prices = {unit: Money.parse(amount, unit).micros for unit, amount in after["prices"].items()}
    given: dict[str, Any] = {
        "name": after["name"],
        "terms": packages.Terms(after["coins"], after["bonus_percent"], prices),
        "is_active": after["is_active"],
        "actor": order.maker,
        "now": order.now,
        "reason": order.reason[:200],
    }
    if not before:
        return packages.create(**given)
    package_id = UUID(order.target.id)
    return packages.change(package_id=package_id, expected_version=before["version"], **given)


def set_rate(
    *,
    quote: str,
    rate: Decimal,
    as_of: date,
    actor: str,
    reason: str,
    now: datetime,
    allow_jump: bool = False,
) -> CurrencyRate | ApprovalRequest:
    """Set an exchange rate by hand.

    Args:
        rate: How much of ``quote`` one US dollar buys.
        allow_jump: A person says that it really moved this far.

    Raises:
        RateUnchanged: The newest one says the same.
        currency_rates.RateRefused: It looks wrong.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    newest = currency_rates.newest(quote=quote)
    before = {"rate": _plain(newest.rate), "as_of": str(newest.as_of)} if newest else {}
    after = {
        "quote": quote,
        "rate": _plain(rate),
        "as_of": as_of.isoformat(),
        "allow_jump": allow_jump,
    }
    pair = f"{BOOK_CURRENCY}/{quote}"
    return approvals.propose(
        action=SET_RATE,
        target=Target("currency_rate", pair),
        payload={"before": before, "after": after},
        summary=f"Rate {pair} by hand: {before.get('rate', 'none')} → {after['rate']},"
        f" as of {as_of}",
        maker=actor,
        reason=reason,
        effect=carry_out_rate,
        now=now,
    )


def carry_out_rate(order: Order) -> CurrencyRate:
    """Record the rate of a proposal.

    Raises:
        RateUnchanged: The newest one says the same by now.
        currency_rates.RateRefused: It looks wrong beside the newest one, or is older.
    """
    after = order.payload["after"]
    row = currency_rates.record(
        quote=Quote(
            str(BOOK_CURRENCY),
            after["quote"],
            Decimal(after["rate"]),
            date.fromisoformat(after["as_of"]),
            MANUAL,
        ),
        actor=order.maker,
        now=order.now,
        reason=order.reason[:200],
        allow_jump=after["allow_jump"],
    )
    if row is None:
        raise RateUnchanged
    return row


def change_policy(
    *,
    name: Policy.Name,
    value: int,
    valid_from: datetime | None,
    actor: str,
    reason: str,
    now: datetime,
) -> Policy | ApprovalRequest:
    """Give a limit a new value.

    Args:
        valid_from: From when on; none: from the moment it is approved.

    Raises:
        policies.StartsInThePast: ``valid_from`` lies before ``now``.
        approvals.AlreadyProposed: Somebody else proposes the same.
    """
    before = {"value": policy_queries.value(name, on=now)}
    after = {"value": value, "valid_from": valid_from.isoformat() if valid_from else None}
    return approvals.propose(
        action=CHANGE_POLICY,
        target=Target("policy", name.value),
        payload={"before": before, "after": after},
        summary=f"{name.label}: {before['value']} → {value}, {wording.starting(valid_from)}",
        maker=actor,
        reason=reason,
        effect=carry_out_policy,
        now=now,
    )


def carry_out_policy(order: Order) -> Policy:
    """Put the limit of a proposal in force.

    Raises:
        BaseChanged: The limit has another value by now.
        policies.StartsInThePast: It was approved after it should have started.
    """
    name, after = Policy.Name(order.target.id), order.payload["after"]
    if policy_queries.value(name, on=order.now) != order.payload["before"]["value"]:
        raise BaseChanged
    return policies.change(
        name=name,
        value=after["value"],
        valid_from=wording.moment(after["valid_from"]) or order.now,
        actor=order.maker,
        reason=order.reason[:200],
        now=order.now,
    )


def _is_sensitive(
    package: CoinPackage, terms: packages.Terms | None, is_active: bool | None
) -> bool:
    assert package.current is not None
    on_sale = package.is_active if is_active is None else is_active
    changes_terms = terms is not None and terms != packages.terms_of(package.current)
    # The reference package prices exact top-ups, on sale or not.
    return (on_sale and not package.is_active) or (
        changes_terms and (on_sale or package.is_reference)
    )


def _described(name: str, terms: packages.Terms, *, is_active: bool) -> dict[str, Any]:
    return {
        "name": name,
        "is_active": is_active,
        "coins": terms.coins,
        "bonus_percent": terms.bonus_percent,
        "prices": {
            unit: Money(micros, unit).amount() for unit, micros in sorted(terms.prices.items())
        },
    }


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
