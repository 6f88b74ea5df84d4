"""Staff who look at the books, and something for them to look at."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from access.services import content, gifts, refunds, reversals, tips
from legato_payments.lib import clock
from legato_payments.lib.money import Money
from payments import audit
from payments.enums import Provider, Stream
from payments.gateways.rates.base import Quote
from payments.gateways.rates.fixed import FixedRates
from payments.gateways.values import SettlementState, SettlementStatus
from payments.models import (
    ApprovalRequest,
    Attempt,
    BankReceipt,
    CoinBalance,
    CoinPackage,
    Difference,
    Dispute,
    PaymentMethod,
    Policy,
    Purchase,
    PurchaseTaxLine,
    Refund,
    TaxRule,
    WebhookEvent,
)
from payments.services import (
    adjustments,
    bank_receipts,
    bank_statements,
    campaigns,
    currency_rates,
    customers,
    differences,
    packages,
    proposals,
    purchases,
    reconciliation,
    settlements,
    tax_rules,
)
from revenue.services import splits
from tests import factories, money_back
from tests.factories import READER, WRITER
from tests.second_person import agree

EVIL = '<script>alert("coins")</script>'
"""What a hostile pen name, message or gateway could contain."""

type ClientOf = Callable[..., Client]


@pytest.fixture
def superuser(db: None) -> User:
    """Somebody with every right."""
    return User.objects.create_superuser("root", password="unused")


@pytest.fixture
def boss(superuser: User) -> Client:
    """The superuser, logged in."""
    return logged_in(superuser)


@pytest.fixture
def staff(db: None) -> ClientOf:
    """Makes staff with a few rights, logged in: ``staff("payments.view_purchase")``."""

    def make(*rights: str) -> Client:
        user = User.objects.create_user("clerk", password="unused", is_staff=True)
        for right in rights:
            app, codename = right.split(".")
            user.user_permissions.add(
                Permission.objects.get(content_type__app_label=app, codename=codename)
            )
        return logged_in(user)

    return make


@pytest.fixture
def busy(superuser: User) -> None:
    """A row in every table that has a page, with hostile words wherever words are free."""
    now = clock.now()
    currency_rates.refresh(provider=FixedRates(), now=now)
    _sell(now)
    _quarantine(now)
    _keep(now)
    _read_and_tip(now)
    _describe(now)
    _give_away(superuser, now)
    _bank(now)
    _tax(now)
    _pay_back_and_dispute(now)
    proposals.change_policy(
        name=Policy.Name.TIP_MIN_COINS,
        value=20,
        valid_from=None,
        actor=EVIL,
        reason=EVIL,
        now=now,
    )
    _reconcile(now)


def sell_more(*, now: datetime) -> None:
    """More rows of all that grows."""
    for number in (5, 6, 7):
        reader = f"reader-{number}"
        factories.buy_coins(reader, now=now)
        content.buy(user_id=reader, content_id="chapter-4", now=now, actor=f"user:{reader}")
        tips.send(sender_id=reader, recipient_id=WRITER, coins=50, now=now, actor="user:x")
        version = factories.package("Reader Pack").versions.count()
        packages.change(
            package_id=factories.package("Reader Pack").pk,
            expected_version=version,
            is_active=True,
            actor="staff:1",
            now=now,
        )
        splits.change(
            stream=Stream.TIP, rate_bps=7_000, valid_from=now, actor="staff:1", reason="", now=now
        )
        case = money_back.dispute(factories.buy_coins("reader-8", "Reader Pack", now=now), now=now)
        money_back.lose(case, now=now)
        money_back.pay_back(factories.buy_coins("reader-8", "Reader Pack", now=now), now=now)
        money_back.owing(f"reader-2{number}", now=now)
        rate = Quote("USD", "CAD", Decimal("1.37") + number / Decimal(100), now.date(), "manual")
        currency_rates.record(quote=rate, actor="staff:1", now=now)


def logged_in(user: User) -> Client:
    """A browser of somebody who is logged in."""
    client = Client()
    client.force_login(user)
    return client


def _sell(now: datetime) -> None:
    factories.buy_coins(now=now)
    factories.buy_coins("reader-2", "Starter Pack", currency="NGN", now=now)
    factories.start_purchase("reader-3", "Premium Pack", now=now)


def _quarantine(now: datetime) -> None:
    paid = factories.start_purchase("reader-4", "Reader Pack", now=now)
    underpaid = factories.state(paid, amount=Money(1_000_000, "USD"))
    purchases.apply(purchase_id=paid.pk, state=underpaid, now=now)
    Purchase.objects.filter(pk=paid.pk).update(
        quarantine_reason=EVIL,
        failure_code=EVIL,
        country="<>",
        consent={"words": EVIL},
        evidence=[{"source": "ip", "value": EVIL}],
        evidence_conflicts=True,
    )
    PurchaseTaxLine.objects.create(
        purchase=paid,
        jurisdiction="<>",
        name=EVIL[:16],
        rate_ppm=50_000,
        amount_micros=0,
        currency=paid.currency,
        is_inclusive=True,
    )
    WebhookEvent.objects.create(
        provider=paid.provider,
        dedupe_key=EVIL,
        kind=EVIL,
        reference=paid.reference,
        body=f'{{"words": "{EVIL}"}}'.encode(),
        status=WebhookEvent.Status.FAILED,
        error=EVIL,
        received_at=now,
    )


def _read_and_tip(now: datetime) -> None:
    factories.put_content("chapter-4", price=10, title=EVIL, shares={WRITER: 6_000, "w-2": 4_000})
    factories.put_content("chapter-5", price=20)
    content.buy(user_id=READER, content_id="chapter-4", now=now, actor=EVIL)
    bought = content.buy(user_id=READER, content_id="chapter-5", now=now, actor=f"user:{READER}")
    assert bought.entitlement.transaction_id is not None
    reversals.reverse(
        transaction_id=bought.entitlement.transaction_id, actor="staff:1", reason=EVIL, now=now
    )
    tips.send(
        sender_id=READER, recipient_id=WRITER, coins=50, now=now, actor="user:x", message=EVIL
    )


def _keep(now: datetime) -> None:
    factories.buy_coins("reader-13", "Reader Pack", now=now, save_method=True)
    PaymentMethod.objects.update(brand=EVIL, expires="<>", last4="<>", kind="<>")


def _describe(now: datetime) -> None:
    profile = customers.Profile("NG", "LA", "NGN", 1990, "", "ada.lovelace@example.com")
    customers.put(
        user_id=READER, profile=profile, expected_version=None, actor=f"user:{READER}", now=now
    )
    packages.change(
        package_id=factories.package("Starter Pack").pk,
        expected_version=1,
        name=EVIL[:64],
        reason=EVIL,
        actor=EVIL,
        now=now,
    )
    assert CoinPackage.objects.filter(name=EVIL[:64]).exists()
    splits.change(
        stream=Stream.CONTENT,
        rate_bps=6_800,
        valid_from=now + timedelta(days=3),
        actor=EVIL,
        reason=EVIL,
        now=now,
        writer_id=WRITER,
    )
    audit.record(
        actor=EVIL,
        action="payments.package.changed",
        object_type="coin_package",
        object_id=EVIL,
        now=now,
        before={"name": EVIL, "prices": {"USD": EVIL}},
        after={"name": "plain", "prices": {"USD": "1.00"}},
        reason=EVIL,
    )


def _bank(now: datetime) -> None:
    state = SettlementState(
        gateway_id=EVIL,
        amount=Money(1_000_000, "USD"),
        status=SettlementStatus.PAID,
        arrives_on=now.date() - timedelta(days=9),
        created_at=now - timedelta(days=10),
        bank_reference=EVIL,
    )
    settlements.record(provider=Provider.SANDBOX, state=state, now=now)
    words = EVIL.replace('"', '""')
    for name, lines in (("a", ["1.00", "7.00"]), ("b", ["7.00", "3.00"])):
        rows = [f'{now:%Y-%m-%d},{amount},USD,"{words}","{words}"' for amount in lines]
        bank_statements.import_file(
            content="\n".join(["date,amount,currency,reference,description", *rows]).encode(),
            name=f"{name}{EVIL}",
            form="",
            account=EVIL,
            actor=EVIL,
            now=now,
        )
    for receipt in BankReceipt.objects.open().filter(amount_micros=3_000_000):
        bank_receipts.explain(
            receipt_id=receipt.pk, explained_as="OTHER", reason=EVIL, actor=EVIL, now=now
        )


def _tax(now: datetime) -> None:
    fields = dict.fromkeys(("payee_residence", "threshold_currency", "threshold_basis"), "")
    tax_rules.add(
        fields={
            **fields,
            "code": "GB-R-VAT",
            "jurisdiction": "GB",
            "owed_to": "GB",
            "subject": TaxRule.Subject.READER,
            "kind": TaxRule.Kind.COLLECT,
            "payer": TaxRule.Payer.REGISTERED,
            "tax_name": "<VAT>",
            "rate_ppm": 200_000,
            "effective_from": now.date(),
            "certainty": "L",
            "source": EVIL,
            "note": EVIL,
        },
        actor=EVIL,
        reason=EVIL,
        now=now,
    )
    terms = tax_rules.Registration(
        jurisdiction="GB", is_registered=True, number=EVIL[:40], is_inclusive=False
    )
    tomorrow = now.date() + timedelta(days=1)
    tax_rules.register(registration=terms, valid_from=tomorrow, actor=EVIL, reason=EVIL, now=now)


def _give_away(superuser: User, now: datetime) -> None:
    giver = "reader-9"
    waiting = adjustments.propose(
        user_id=giver, coins=100, value_micros=990_000, actor="staff:999", reason=EVIL, now=now
    )
    assert isinstance(waiting, ApprovalRequest)
    agree(waiting.pk, by=superuser, now=now)
    terms = campaigns.Terms(
        budget_coins=1_000,
        per_user_coins=100,
        starts_at=now,
        ends_at=now + timedelta(days=30),
        value_per_coin_micros=9_900,
    )
    campaign = campaigns.create(name=EVIL[:64], terms=terms, actor="staff:1", reason=EVIL, now=now)
    campaigns.grant(
        user_id=giver, campaign_id=campaign.pk, coins=100, key=EVIL, actor=EVIL, now=now
    )
    gifts.send_coins(
        sender_id=giver, recipient_id="reader-2", coins=5, now=now, actor="user:x", message=EVIL
    )
    factories.put_content("chapter-6", price=20)
    bought = content.buy(user_id=giver, content_id="chapter-6", now=now, actor="user:x")
    assert bought.entitlement.transaction_id is not None
    refunds.refund(
        transaction_id=bought.entitlement.transaction_id, reason=EVIL, actor=EVIL, now=now
    )


def _pay_back_and_dispute(now: datetime) -> None:
    stuck = factories.buy_coins("reader-10", "Reader Pack", now=now)
    refund = money_back.pay_back(
        money_back.paid_with(stuck, "pm_refund_attention"), "0.25", now=now, reason=EVIL, actor=EVIL
    )
    Refund.objects.filter(pk=refund.pk).update(failure_code=EVIL)
    Attempt.objects.filter(object_id=refund.pk).update(
        state=Attempt.State.UNKNOWN, error=EVIL, note=EVIL, created_at=now - timedelta(days=2)
    )
    disputed = factories.buy_coins("reader-11", "Reader Pack", now=now)
    content.buy(user_id="reader-11", content_id="chapter-4", now=now, actor="user:reader-11")
    case = money_back.dispute(disputed, now=now)
    evidence = {"message": EVIL, "customer_email": "ada.lovelace@example.com"}
    Dispute.objects.filter(pk=case.pk).update(reason=EVIL, evidence=evidence, answered_by=EVIL)
    CoinBalance.objects.filter(user_id="reader-11").update(blocked_by=EVIL)
    money_back.owing("reader-14", now=now, reason=EVIL)


def _reconcile(now: datetime) -> None:
    today = reconciliation.window_of(now=now + timedelta(seconds=1), first=now.date())
    reconciliation.reconcile(provider="SANDBOX", window=today, now=now)
    for row in Difference.objects.open():
        differences.note(difference_id=row.pk, text=EVIL, actor=EVIL, now=now)
        differences.take(difference_id=row.pk, owner=EVIL, actor=EVIL, now=now)
