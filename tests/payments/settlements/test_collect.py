"""settlements.collect() and hear_of(): every way to the news ends in the same rows"""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments import tasks
from payments.gateways.base import Ambiguous, InvalidRequest, Unavailable
from payments.gateways.sandbox import settlements as sandbox
from payments.gateways.sandbox.gateway import SandboxGateway
from payments.gateways.values import EventKind, SettlementState, Window
from payments.ledger import invariants, sealing
from payments.models import SandboxLine, SandboxSettlement, Settlement, WebhookEvent
from payments.services import refunds, settlements
from payments.webhooks import inbox
from tests import factories
from tests.factories import NOW
from tests.ledger import books
from tests.payments.settlements.flows import (
    DAY,
    PAID_OUT,
    SANDBOX,
    at_the_gateway,
    balances,
    pay_out,
    sell,
    settled,
)

pytestmark = pytest.mark.django_db

Status = Settlement.Status
Lines = Settlement.Lines


def assert_sound() -> None:
    sealing.seal_all(now=NOW + 30 * DAY)
    assert list(invariants.discrepancies()) == []


class TestCollect:
    def test_what_was_sold_reaches_the_bank_to_the_cent(self) -> None:
        sell("reader-1", "Ultimate Pack")
        sell("reader-2", "Starter Pack")
        pay_out()

        seen = settlements.collect(provider=SANDBOX, now=PAID_OUT)

        settlement = Settlement.objects.get()
        assert (seen, settlement.status) == (1, Status.PAID)
        # 39.99 less 1.46, and 0.99 less 0.33.
        assert settlement.amount_micros == 39_190_000
        assert balances() == (0, 39_190_000)
        assert at_the_gateway() == 0
        assert_sound()

    def test_its_lines_are_summed_by_what_they_are(self) -> None:
        sell("reader-1", "Ultimate Pack")
        sell("reader-2", "Ultimate Pack")
        bought = factories.start_purchase("reader-3", "Ultimate Pack")
        factories.pay(bought)
        refunds.start(
            refund_id=uuid7(),
            request=refunds.Request(purchase_id=bought.pk, reason="x", actor="staff:1"),
            now=NOW,
        )
        pay_out()

        settlements.collect(provider=SANDBOX, now=PAID_OUT)

        row = Settlement.objects.get()
        assert (row.charges_micros, row.refunds_micros) == (119_970_000, -39_990_000)
        assert (row.fees_micros, row.disputes_micros, row.other_micros) == (-4_380_000, 0, 0)
        assert (row.line_count, row.lines_status) == (4, Lines.READ)
        assert row.lines_net_micros == row.amount_micros == 75_600_000
        assert row.difference_micros == 0
        assert_sound()

    def test_each_currency_goes_by_itself(self, rates: None) -> None:
        sell("reader-1", "Ultimate Pack")
        sell("reader-2", "Ultimate Pack", currency="NGN")
        pay_out()

        settlements.collect(provider=SANDBOX, now=PAID_OUT)

        assert {row.currency for row in Settlement.objects.all()} == {"USD", "NGN"}
        assert balances("USD")[0] == balances("NGN")[0] == 0
        assert_sound()

    def test_again_changes_nothing(self) -> None:
        settled()
        before = books.fingerprint()

        settlements.collect(provider=SANDBOX, now=PAID_OUT + DAY)

        assert books.fingerprint() == before

    def test_one_that_fails_days_later_is_back_in_the_gateways_balance(self) -> None:
        settlement = settled()
        sandbox.fail(settlement_id=settlement.gateway_id, now=PAID_OUT + 4 * DAY)

        settlements.collect(provider=SANDBOX, now=PAID_OUT + 4 * DAY)

        settlement.refresh_from_db()
        assert settlement.status == Status.RETURNED
        assert balances() == (38_530_000, 0)
        assert at_the_gateway() == 38_530_000
        assert_sound()

    def test_what_came_back_is_paid_out_again_with_the_next(self) -> None:
        settlement = settled()
        sandbox.fail(settlement_id=settlement.gateway_id, now=PAID_OUT + DAY)
        pay_out(PAID_OUT + 4 * DAY)

        settlements.collect(provider=SANDBOX, now=PAID_OUT + 4 * DAY)

        second = Settlement.objects.exclude(pk=settlement.pk).get()
        assert (second.other_micros, second.difference_micros) == (38_530_000, 0)
        assert balances() == (0, 38_530_000)
        assert_sound()

    def test_an_amount_that_its_lines_do_not_come_to_stays_visible(self) -> None:
        sell()
        pay_out()
        SandboxLine.objects.update(gross_minor=3_990)

        settlements.collect(provider=SANDBOX, now=PAID_OUT)

        row = Settlement.objects.get()
        assert (row.amount_micros, row.lines_net_micros) == (38_530_000, 38_440_000)
        assert row.difference_micros == 90_000
        assert list(Settlement.objects.with_other_lines()) == [row]
        # The money moved as the gateway says: the difference is for a person.
        assert row.status == Status.PAID
        assert_sound()

    def test_lines_that_come_later_are_read_again(self) -> None:
        sell()
        pay_out()
        SandboxLine.objects.update(gross_minor=3_990)
        settlements.collect(provider=SANDBOX, now=PAID_OUT)
        SandboxLine.objects.update(gross_minor=3_999)

        settlements.collect(provider=SANDBOX, now=PAID_OUT + DAY)

        assert Settlement.objects.get().difference_micros == 0

    def test_an_odd_one_does_not_keep_the_others_from_the_books(self) -> None:
        odd = settled()
        SandboxSettlement.objects.update(amount_minor=1)
        sell("reader-2")
        pay_out(PAID_OUT + DAY)

        assert settlements.collect(provider=SANDBOX, now=PAID_OUT + DAY) == 2

        odd.refresh_from_db()
        assert odd.amount_micros == 38_530_000
        assert Settlement.objects.exclude(pk=odd.pk).get().status == Status.PAID
        assert balances() == (0, 77_060_000)


class Odd(SandboxGateway):
    """A sandbox that fails where a test says so."""

    windows: list[Window]

    def __init__(self, *, lists: Exception | None = None, lines: Exception | None = None) -> None:
        self.windows = []
        self._lists, self._lines = lists, lines

    def list_settlements(self, window: Window) -> Iterator[SettlementState]:
        self.windows.append(window)
        if self._lists:
            raise self._lists
        return super().list_settlements(window)

    def settlement_lines(self, gateway_id: str) -> Iterator[Any]:
        if self._lines:
            raise self._lines
        return super().settlement_lines(gateway_id)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Puts a gateway in the sandbox's place."""

    def put(gateway: Odd) -> Odd:
        monkeypatch.setattr("payments.gateways.registry._gateway", lambda _provider: gateway)
        return gateway

    return put


class TestTrouble:
    def test_a_gateway_without_a_list_for_it_is_no_error(self, use: Any) -> None:
        use(Odd(lines=InvalidRequest("made by hand", gateway=SANDBOX)))

        row = settled()

        assert (row.status, row.lines_status) == (Status.PAID, Lines.UNKNOWN)
        assert row.difference_micros is None
        assert not Settlement.objects.with_other_lines().exists()

    def test_lines_that_cannot_be_read_are_read_the_next_day(self, use: Any) -> None:
        use(Odd(lines=Ambiguous("no answer", gateway=SANDBOX)))
        row = settled()
        assert (row.status, row.lines_status) == (Status.PAID, Lines.UNREAD)
        use(Odd())

        settlements.collect(provider=SANDBOX, now=PAID_OUT + DAY)

        row.refresh_from_db()
        assert (row.lines_status, row.difference_micros) == (Lines.READ, 0)

    def test_one_of_nothing_does_not_keep_the_others_from_the_books(self, use: Any) -> None:
        class Deducting(Odd):
            """Lists a settlement of which deductions left nothing, before the others."""

            def list_settlements(self, window: Window) -> Iterator[SettlementState]:
                for state in super().list_settlements(window):
                    yield replace(state, gateway_id="nothing", amount=Money(0, "USD"))
                    yield state

        use(Deducting())

        row = settled()

        assert row.status == Status.PAID
        assert settlements.hear_of(provider=SANDBOX, gateway_id="nothing", now=PAID_OUT) is None
        assert Settlement.objects.get() == row
        assert_sound()

    def test_the_job_outlives_a_gateway_that_is_away(self, use: Any) -> None:
        sell()
        pay_out()
        use(Odd(lists=Unavailable("refused", gateway=SANDBOX)))
        before = books.fingerprint()

        tasks.collect_settlements()

        assert books.fingerprint() == before

    def test_the_job_asks_every_gateway_there_is(self) -> None:
        settled_before = books.fingerprint()

        tasks.collect_settlements()

        assert books.fingerprint() == settled_before

    def test_it_looks_a_week_back(self, use: Any) -> None:
        gateway = use(Odd())

        settlements.collect(provider=SANDBOX, now=PAID_OUT)

        assert gateway.windows[0].start == PAID_OUT - timedelta(days=7)

    def test_it_looks_back_to_the_last_it_knows(self, use: Any) -> None:
        settled()
        gateway = use(Odd())

        settlements.collect(provider=SANDBOX, now=PAID_OUT + 60 * DAY)

        assert gateway.windows[0].start == PAID_OUT

    def test_it_looks_back_to_the_oldest_on_its_way(self, use: Any) -> None:
        sell()
        pay_out()
        SandboxSettlement.objects.update(status="PENDING")
        settlements.collect(provider=SANDBOX, now=PAID_OUT)
        sell("reader-2", now=PAID_OUT + 20 * DAY)
        pay_out(PAID_OUT + 23 * DAY)
        SandboxSettlement.objects.update(status="PAID")
        gateway = use(Odd())

        settlements.collect(provider=SANDBOX, now=PAID_OUT + 23 * DAY)

        assert gateway.windows[0].start == PAID_OUT
        assert [row.status for row in Settlement.objects.all()] == [Status.PAID, Status.PAID]


class TestWebhook:
    def event(self, object_id: str, number: int = 1) -> WebhookEvent:
        """A delivery that tells of a transfer."""
        return WebhookEvent.objects.create(
            provider=SANDBOX,
            dedupe_key=f"evt_{number}",
            kind=EventKind.SETTLEMENT_CHANGED,
            object_id=object_id,
            body=json.dumps({}).encode(),
            received_at=PAID_OUT,
            next_attempt_at=PAID_OUT,
        )

    def process(self, event: WebhookEvent) -> WebhookEvent:
        inbox.process(event_id=event.pk, now=PAID_OUT + timedelta(minutes=1))
        event.refresh_from_db()
        return event

    def test_a_transfer_is_read_again_and_recorded(self) -> None:
        sell()
        (made,) = pay_out()

        event = self.process(self.event(made.pk))

        assert event.status == WebhookEvent.Status.PROCESSED
        row = Settlement.objects.get()
        assert (row.gateway_id, row.status, row.difference_micros) == (made.pk, Status.PAID, 0)
        assert_sound()

    def test_only_what_the_event_names_is_recorded(self) -> None:
        sell()
        (first,) = pay_out()
        sell("reader-2")
        (second,) = pay_out(PAID_OUT + timedelta(seconds=1))

        self.process(self.event(second.pk))

        assert Settlement.objects.get().gateway_id == second.pk != first.pk

    def test_a_late_failure_of_a_known_one_is_found_however_old(self) -> None:
        settlement = settled()
        later = PAID_OUT + 90 * DAY
        sandbox.fail(settlement_id=settlement.gateway_id, now=later)

        settlements.hear_of(provider=SANDBOX, gateway_id=settlement.gateway_id, now=later)

        settlement.refresh_from_db()
        assert settlement.status == Status.RETURNED

    def test_one_that_the_gateway_does_not_list_is_tried_again(self) -> None:
        before = Settlement.objects.count()

        event = self.process(self.event("po_unknown"))

        assert event.status == WebhookEvent.Status.RECEIVED
        assert event.error.startswith("LookupError: the gateway does not list")
        assert Settlement.objects.count() == before == 0


def test_a_mismatch_leaves_the_event_in_the_inbox() -> None:
    settlement = settled()
    SandboxSettlement.objects.update(amount_minor=1)
    before = books.fingerprint()

    with pytest.raises(settlements.SettlementMismatch):
        settlements.hear_of(provider=SANDBOX, gateway_id=settlement.gateway_id, now=PAID_OUT)

    assert books.fingerprint() == before
    assert Money(settlement.amount_micros, "USD") == Money.parse("38.53", "USD")
