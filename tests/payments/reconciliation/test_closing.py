"""What people do about a difference: each is closed once, and written down"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection
from django.db.transaction import atomic

from legato_payments.lib.errors import DomainError
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments import approvals, audit, ledger
from payments.approvals import Order, Target
from payments.enums import Currency
from payments.ledger import chart, invariants, templates
from payments.models import (
    ApprovalRequest,
    ApprovalRule,
    AuditEntry,
    Difference,
    DifferenceNote,
    SandboxLine,
    Transaction,
)
from payments.services import differences, gateway_corrections
from tests.factories import NOW
from tests.ledger import books
from tests.payments import books_of
from tests.payments.reconciliation import scenes
from tests.second_person import agree, person

pytestmark = pytest.mark.django_db

MAKER = "staff:999"
WORDS = "their monthly fee"
FEE = Money(-9_900_000, "USD")

type Act = Callable[[Difference], Any]


@pytest.fixture
def row() -> Difference:
    """A fee of 9.90 USD that only the gateway knows."""
    return planted(-990)


def planted(minor: int, currency: str = "USD") -> Difference:
    """A line of the gateway's book that nothing of ours explains."""
    line = SandboxLine.objects.create(
        kind="OTHER", source_id="x", gross_minor=minor, currency=currency, occurred_at=NOW
    )
    scenes.run()
    return Difference.objects.get(key=f"sbl_{line.pk}")


def take(row: Difference) -> Difference:
    return differences.take(difference_id=row.pk, owner="staff:7", actor=MAKER, now=NOW)


def explain(row: Difference, words: str = WORDS) -> Difference:
    return differences.explain(
        difference_id=row.pk,
        code=Difference.Reason.GATEWAY_ERROR,
        words=words,
        actor=MAKER,
        now=NOW,
    )


def match(row: Difference, other: Difference, words: str = WORDS) -> Difference:
    return differences.match(
        difference_id=row.pk, other_id=other.pk, words=words, actor=MAKER, now=NOW
    )


def match_object(row: Difference, kind: str, object_id: object) -> Difference:
    return differences.match_object(
        difference_id=row.pk,
        kind=kind,
        object_id=str(object_id),
        words=WORDS,
        actor=MAKER,
        now=NOW,
    )


def propose(row: Difference, amount: Money = FEE, reason: str = WORDS) -> ApprovalRequest:
    made = gateway_corrections.propose(
        difference_id=row.pk, amount=amount, actor=MAKER, reason=reason, now=NOW
    )
    assert isinstance(made, ApprovalRequest)
    return made


def test_somebody_takes_it(row: Difference) -> None:
    take(row)

    row.refresh_from_db()
    assert (row.owner, row.status) == ("staff:7", "OPEN")
    [entry] = books_of.audit("payments.difference.taken")
    assert (entry.before, entry.after) == ({"owner": ""}, {"owner": "staff:7"})


def test_notes_are_kept_in_their_order(row: Difference) -> None:
    for text in ("asked them", "they answered"):
        differences.note(difference_id=row.pk, text=text, actor=MAKER, now=NOW)
    explain(row)
    differences.note(difference_id=row.pk, text="they called back", actor=MAKER, now=NOW)

    texts = row.notes.order_by("pk").values_list("text", flat=True)
    assert list(texts) == ["asked them", "they answered", WORDS, "they called back"]


def test_explaining_closes_it_without_a_posting(row: Difference) -> None:
    posted = Transaction.objects.count()

    explain(row)

    row.refresh_from_db()
    assert (row.closing, row.reason_code, row.closed_by) == ("EXPLAINED", "GATEWAY_ERROR", MAKER)
    assert Transaction.objects.count() == posted
    [entry] = books_of.audit("payments.difference.closed")
    assert entry.reason == WORDS


def test_two_that_make_up_for_each_other_are_closed_together(row: Difference) -> None:
    other = planted(990)

    match(row, other)

    for one, its_other in ((row, other), (other, row)):
        one.refresh_from_db()
        assert (one.closing, one.matched_with_id) == ("MATCHED", its_other.pk)
    assert len(books_of.audit("payments.difference.closed")) == 2


def test_one_is_matched_with_something_of_ours(row: Difference) -> None:
    purchase = scenes.sale()

    match_object(row, "purchase", purchase.pk)

    row.refresh_from_db()
    assert (row.closing, row.matched_object) == ("MATCHED", f"purchase:{purchase.pk}")


def refused(act: Callable[[], Any], error: type[DomainError]) -> None:
    """It is refused, and nothing moved."""
    before = books.fingerprint()
    with pytest.raises(error), atomic():
        act()
    assert books.fingerprint() == before


def test_an_uneven_pair_is_refused(row: Difference) -> None:
    same_way, other_unit = planted(-990), planted(990, "CAD")

    for other in (same_way, other_unit, row):
        refused(lambda other=other: match(row, other), differences.MatchRefused)  # type: ignore[misc]


def test_a_match_with_nothing_is_refused(row: Difference) -> None:
    for kind, object_id in (("purchase", uuid7()), ("wallet", uuid7()), ("purchase", "x")):
        refused(
            lambda kind=kind, key=object_id: match_object(row, kind, key),  # type: ignore[misc]
            differences.DifferenceUnknown,
        )


@pytest.mark.parametrize(
    "act",
    [
        lambda row: explain(row, " "),
        lambda row: match(row, row, ""),
        lambda row: differences.note(difference_id=row.pk, text=" ", actor=MAKER, now=NOW),
        lambda row: propose(row, reason=" "),
    ],
)
def test_words_are_needed(act: Act, row: Difference) -> None:
    refused(lambda: act(row), audit.ReasonMissing)


@pytest.mark.parametrize(
    "act", [take, explain, propose, lambda row: match(row, row), lambda r: match_object(r, "x", 1)]
)
def test_what_is_closed_stays_closed(act: Act, row: Difference) -> None:
    explain(row)

    refused(lambda: act(row), differences.DifferenceClosed)


@pytest.mark.parametrize(
    "act",
    [take, explain, propose, lambda row: differences.note(
        difference_id=row.pk, text="x", actor=MAKER, now=NOW)],
)  # fmt: skip
def test_what_is_unknown_is_refused(act: Act) -> None:
    refused(lambda: act(Difference(pk=uuid7())), differences.DifferenceUnknown)


class TestCorrections:
    def test_another_person_agrees_and_a_job_posts_it(self, row: Difference) -> None:
        before = books.balance(chart.gateway("SANDBOX", "USD"))
        request = propose(row)
        assert (request.needed, request.amount_micros) == (1, 9_900_000)
        assert books.balance(chart.gateway("SANDBOX", "USD")) == before

        done = agree(request.pk, now=NOW)

        assert done.status == "EXECUTED"
        row.refresh_from_db()
        assert (row.closing, row.approval_id) == ("ADJUSTED", request.pk)
        assert row.transaction is not None
        assert books_of.entries(row.transaction.pk) == {
            "gateway:sandbox USD": -9_900_000,
            "adjustment USD": 9_900_000,
        }
        assert books.balance(chart.gateway("SANDBOX", "USD")) == before - 9_900_000
        connection.check_constraints()
        books.assert_sound()

    def test_the_next_run_finds_nothing(self, row: Difference) -> None:
        agree(propose(row).pk, now=NOW)

        report = scenes.run()

        assert (report.open, report.explained) == ([], 1)
        assert all(day.totals.unexplained == 0 for day in report.days)

    def test_other_currencies_count_in_dollars(self) -> None:
        row = planted(137_180_790, "NGN")

        request = propose(row, Money(1_371_807_900_000, "NGN"))

        # 1,371,807.90 naira at 1,371.8079 a dollar.
        assert request.amount_micros == 1_000_000_000

    def test_nobody_agrees_to_an_own_one(self, row: Difference) -> None:
        maker = person("maker")
        request = gateway_corrections.propose(
            difference_id=row.pk, amount=FEE, actor=f"staff:{maker.pk}", reason=WORDS, now=NOW
        )
        assert isinstance(request, ApprovalRequest)

        refused(lambda: agree(request.pk, by=maker, now=NOW), approvals.OwnProposal)

    def test_nothing_is_no_correction(self, row: Difference) -> None:
        refused(lambda: propose(row, Money(0, "USD")), gateway_corrections.CorrectionEmpty)

    def test_what_changed_meanwhile_is_not_corrected(self, row: Difference) -> None:
        request = propose(row)
        SandboxLine.objects.filter(pk=row.key.removeprefix("sbl_")).update(gross_minor=-1_990)
        scenes.run()
        posted = Transaction.objects.count()

        done = agree(request.pk, now=NOW)

        assert (done.status, done.error) == ("FAILED", gateway_corrections.DifferenceChanged.title)
        assert Transaction.objects.count() == posted
        row.refresh_from_db()
        assert row.status == "OPEN"

    def test_what_somebody_explained_meanwhile_is_not_corrected(self, row: Difference) -> None:
        request = propose(row)
        explain(row)
        posted = Transaction.objects.count()

        assert agree(request.pk, now=NOW).status == "FAILED"
        assert Transaction.objects.count() == posted

    def test_nothing_is_posted_without_a_proposal(self, row: Difference) -> None:
        refused(
            lambda: gateway_corrections.carry_out(order(row, None)),
            gateway_corrections.CorrectionNotApproved,
        )

    @pytest.mark.parametrize("change", [{"amount": "-9.91"}, {"currency": Currency.CAD}])
    def test_the_database_refuses_another_amount(
        self, row: Difference, change: dict[str, str]
    ) -> None:
        gateway_corrections.carry_out(order(row, approved(row), **change))

        with pytest.raises(IntegrityError, match="is not what was approved"):
            connection.check_constraints()

    def test_the_database_refuses_what_still_waits(self, row: Difference) -> None:
        gateway_corrections.carry_out(order(row, propose(row)))

        with pytest.raises(IntegrityError, match="is not what was approved"):
            connection.check_constraints()

    def test_no_rule_lets_one_person_do_it(self) -> None:
        with pytest.raises(IntegrityError, match="four_eyes"), atomic():
            ApprovalRule.objects.create(
                action="payments.correct_gateway", needed=0, valid_from=NOW, created_by=MAKER
            )

    def test_a_correction_without_a_difference_is_a_discrepancy(self) -> None:
        by_hand = books.header("by-hand")
        ledger.post(
            templates.correction(provider="SANDBOX", currency="USD", amount=5_000_000),
            by_hand,
        )

        found = [one for one in invariants.discrepancies() if one.check == "corrections"]

        assert [one.place for one in found] == [f"transaction {by_hand.id}"]


def approved(row: Difference) -> ApprovalRequest:
    """A correction that the job has not carried out yet."""
    request = propose(row)
    return approvals.approve(
        request_id=request.pk, approver=person(), payload_hash=request.payload_hash, now=NOW
    )


def order(row: Difference, request: ApprovalRequest | None, **changes: str) -> Order:
    """What the job is told."""
    after = {"amount": "-9.90", "currency": "USD", "difference": row.fingerprint, **changes}
    return Order(
        target=Target("difference", str(row.pk)),
        payload={"before": {}, "after": after},
        maker=MAKER,
        reason=WORDS,
        now=NOW,
        approval_id=request.pk if request else None,
    )


class TestTheDatabase:
    """Whatever the code says."""

    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM payments_difference",
            "UPDATE payments_difference SET kind = 'AMOUNT'",
            "UPDATE payments_difference SET key = 'x'",
            "UPDATE payments_difference SET day = day + 1",
            "UPDATE payments_difference SET status = 'CLOSED'",
            "UPDATE payments_difference SET closing = 'EXPLAINED'",
            "UPDATE payments_difference SET ours = NULL, theirs = NULL",
        ],
    )
    def test_refuses_it_of_an_open_one(self, row: Difference, statement: str) -> None:
        self._is_refused(statement)

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE payments_difference SET status = 'OPEN', closing = '', closed_at = NULL,"
            " reason_code = ''",
            "UPDATE payments_difference SET gap_micros = 1",
            "UPDATE payments_difference SET owner = 'x'",
            "DELETE FROM payments_differencenote",
            "UPDATE payments_differencenote SET text = 'x'",
        ],
    )
    def test_refuses_it_of_a_closed_one(self, row: Difference, statement: str) -> None:
        explain(row)

        self._is_refused(statement)

    def test_has_one_open_row_for_one_thing(self, row: Difference) -> None:
        twin = Difference.objects.get(pk=row.pk)
        twin.pk = uuid7()

        with pytest.raises(IntegrityError, match="one_open"), atomic():
            twin.save(force_insert=True)

    def _is_refused(self, statement: str) -> None:
        before = books.fingerprint()
        with pytest.raises(DatabaseError), atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
        assert books.fingerprint() == before


def test_every_step_is_in_the_audit_log(row: Difference) -> None:
    take(row)
    differences.note(difference_id=row.pk, text="asked them", actor=MAKER, now=NOW)
    agree(propose(row).pk, now=NOW)

    entries = AuditEntry.objects.filter(object_type="difference", object_id=str(row.pk))
    assert list(entries.order_by("id").values_list("action", flat=True)) == [
        "payments.difference.taken",
        "payments.difference.noted",
        "payments.difference.closed",
    ]
    assert DifferenceNote.objects.count() == 1
