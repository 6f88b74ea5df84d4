"""payments.approvals: one proposes, others decide, a job carries it out once"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from celery import current_app
from django.contrib.auth.models import Permission, User
from django.db import DatabaseError, IntegrityError, connection
from django.db.transaction import atomic

from legato_payments.lib import clock, jobs
from legato_payments.lib.errors import Unavailable
from legato_payments.lib.ids import uuid7
from legato_payments.lib.money import Money
from payments import approvals, audit, tasks
from payments.approvals import Order, Target
from payments.models import (
    ApprovalDecision,
    ApprovalRequest,
    ApprovalRule,
    AuditEntry,
    Policy,
    StaffProfile,
)
from payments.queries import policies as policy_queries
from payments.services import packages, policies, proposals
from tests import factories, second_person
from tests.factories import NOW
from tests.payments import books_of

pytestmark = pytest.mark.django_db

NAME = Policy.Name.TIP_MIN_COINS
SOON = NOW + timedelta(hours=1)
Status = ApprovalRequest.Status


@pytest.fixture
def maker(db: None) -> User:
    """Who proposes: a superuser, whom no right stops."""
    return second_person.person("maker")


@pytest.fixture
def second(db: None) -> User:
    """Another superuser."""
    return second_person.person("second")


@pytest.fixture
def third(db: None) -> User:
    """And another."""
    return second_person.person("third")


@pytest.fixture
def waiting(maker: User) -> ApprovalRequest:
    """The smallest tip is to be 20 coins instead of 10."""
    return propose(maker)


def propose(maker: User, value: int = 20, *, now: datetime = NOW) -> ApprovalRequest:
    made = proposals.change_policy(
        name=NAME,
        value=value,
        valid_from=None,
        actor=f"staff:{maker.pk}",
        reason="too many small tips",
        now=now,
    )
    assert isinstance(made, ApprovalRequest)
    return made


def need(people: int, *, action: str = proposals.CHANGE_POLICY, above: int = 0) -> None:
    """A newer rule."""
    ApprovalRule.objects.create(
        action=action, from_micros=above, needed=people, valid_from=NOW, created_by="staff:1"
    )


def approve(
    request: ApprovalRequest, by: User, *, now: datetime = SOON, **changes: Any
) -> ApprovalRequest:
    arguments: dict[str, Any] = {"payload_hash": request.payload_hash, **changes}
    return approvals.approve(request_id=request.pk, approver=by, now=now, **arguments)


def reject(request: ApprovalRequest, by: User, reason: str = "too high") -> ApprovalRequest:
    return approvals.reject(
        request_id=request.pk,
        approver=by,
        payload_hash=request.payload_hash,
        reason=reason,
        now=SOON,
    )


def run(request: ApprovalRequest, *, now: datetime = SOON) -> ApprovalRequest:
    approvals.run(approval_id=request.pk, effect=proposals.carry_out_policy, now=now)
    request.refresh_from_db()
    return request


def in_force(*, on: datetime = SOON) -> int:
    return policy_queries.value(NAME, on=on)


def decide_by_sql(request: ApprovalRequest, **changes: Any) -> None:
    """A decision written behind the service's back."""
    facts: dict[str, Any] = {
        "request": request,
        "maker": request.maker,
        "decided_by": "staff:999",
        "word": "APPROVE",
        "payload_hash": request.payload_hash,
        "decided_at": SOON,
        **changes,
    }
    ApprovalDecision.objects.bulk_create([ApprovalDecision(**facts)])


def events() -> list[tuple[str, str]]:
    rows = AuditEntry.objects.filter(object_type="approval_request").order_by("id")
    return [(row.action.rpartition(".")[2], row.actor) for row in rows]


class TestPropose:
    def test_changes_nothing_yet(self, waiting: ApprovalRequest, maker: User) -> None:
        assert (waiting.status, waiting.needed) == (Status.PENDING, 1)
        assert waiting.summary == "Smallest tip (coins): 10 → 20, from its approval"
        assert waiting.expires_at == NOW + timedelta(days=7)
        assert in_force() == 10
        assert events() == [("proposed", f"staff:{maker.pk}")]
        assert not books_of.audit("payments.policy.changed")

    def test_tells_the_maker_at_once_what_will_be_refused(self, maker: User) -> None:
        package = factories.package("Starter Pack")
        dear = packages.Terms(100, 0, {"CAD": 1_390_000})

        with books_of.nothing_changed(), pytest.raises(packages.PriceMissing):
            proposals.change_package(
                package_id=package.pk, expected_version=1, terms=dear, actor="staff:1", now=NOW
            )

        assert not ApprovalRequest.objects.exists()

    def test_again_is_the_same_request(self, waiting: ApprovalRequest, maker: User) -> None:
        assert propose(maker) == waiting
        assert ApprovalRequest.objects.count() == 1

    def test_refuses_what_somebody_else_proposes(
        self, waiting: ApprovalRequest, second: User
    ) -> None:
        with pytest.raises(approvals.AlreadyProposed) as refusal:
            propose(second)

        assert refusal.value.members == {"approval_id": str(waiting.pk)}

    def test_another_payload_is_another_request(
        self, waiting: ApprovalRequest, maker: User
    ) -> None:
        other = propose(maker, 30)

        assert other.pk != waiting.pk
        assert other.payload_hash != waiting.payload_hash

    def test_after_an_expired_one_is_a_new_request(
        self, waiting: ApprovalRequest, maker: User
    ) -> None:
        again = propose(maker, now=NOW + approvals.LIFETIME)

        waiting.refresh_from_db()
        assert (waiting.status, again.status) == (Status.EXPIRED, Status.PENDING)

    def test_is_done_at_once_where_nobody_else_is_needed(self, maker: User) -> None:
        need(0)

        made = proposals.change_policy(
            name=NAME, value=20, valid_from=None, actor="staff:1", reason="x", now=SOON
        )

        assert isinstance(made, Policy)
        assert in_force() == 20
        assert not ApprovalRequest.objects.exists()


class TestNeeded:
    @pytest.mark.parametrize(
        ("dollars", "people"),
        [(0, 1), (499, 1), (500, 2), (5_000, 2), (-500, 2)],
    )
    def test_grows_with_the_amount(self, dollars: int, people: int) -> None:
        amount = Money(dollars * 1_000_000, "USD")

        assert approvals.needed_for(action="payments.adjust_wallet", amount=amount, on=NOW) == (
            people
        )

    def test_is_one_for_an_action_without_a_rule(self) -> None:
        assert approvals.needed_for(action="payments.burn_it_all", amount=None, on=NOW) == 1

    def test_follows_the_newest_rule_that_has_begun(self) -> None:
        need(3)

        before, after = (
            approvals.needed_for(action=proposals.CHANGE_POLICY, amount=None, on=on)
            for on in (NOW - timedelta(seconds=1), NOW)
        )

        assert (before, after) == (1, 3)


class TestApprove:
    def test_sends_the_job_that_carries_it_out(
        self, waiting: ApprovalRequest, maker: User, second: User
    ) -> None:
        approved = approve(waiting, second)
        assert (approved.status, approved.next_attempt_at) == (Status.APPROVED, SOON)
        assert in_force() == 10

        executed = run(approved)

        assert (executed.status, executed.closed_at) == (Status.EXECUTED, SOON)
        assert executed.next_attempt_at is None
        assert in_force() == 20
        [entry] = books_of.audit("payments.policy.changed")
        assert (entry.actor, entry.reason) == (f"staff:{maker.pk}", "too many small tips")
        assert events() == [
            ("proposed", f"staff:{maker.pk}"),
            ("approved", f"staff:{second.pk}"),
            ("executed", "system:approvals"),
        ]

    def test_refuses_the_maker_even_a_superuser(
        self, waiting: ApprovalRequest, maker: User
    ) -> None:
        assert maker.is_superuser

        with pytest.raises(approvals.OwnProposal):
            approve(waiting, maker)
        with pytest.raises(approvals.OwnProposal):
            reject(waiting, maker)

        assert not waiting.decisions.exists()

    def test_counts_a_person_once(self, maker: User, second: User, third: User) -> None:
        need(2)
        request = propose(maker)

        first = approve(request, second)
        with pytest.raises(approvals.AlreadyDecided):
            approve(request, second)

        assert first.status == Status.PENDING
        assert request.decisions.count() == 1
        assert approve(request, third).status == Status.APPROVED

    def test_refuses_who_saw_something_else(
        self, waiting: ApprovalRequest, maker: User, second: User
    ) -> None:
        other = propose(maker, 30)

        with pytest.raises(approvals.PayloadMismatch):
            approve(waiting, second, payload_hash=other.payload_hash)

        assert not ApprovalDecision.objects.exists()

    @pytest.mark.parametrize("facts", [{"is_staff": False}, {"is_active": False}, {}])
    def test_refuses_who_has_no_right(
        self, waiting: ApprovalRequest, facts: dict[str, bool]
    ) -> None:
        clerk = User(username="clerk", is_staff=True)
        for name, value in facts.items():
            setattr(clerk, name, value)
        clerk.save()

        with pytest.raises(approvals.NotYours):
            approve(waiting, clerk)

    def test_takes_the_right_of_the_action(self, waiting: ApprovalRequest) -> None:
        codename = approvals.decision_codename(waiting.action)
        kind = Permission.objects.get(codename="view_approvalrequest").content_type
        right = Permission.objects.create(codename=codename, content_type=kind, name="decide")
        clerk = User.objects.create_user("clerk", is_staff=True)
        clerk.user_permissions.add(right)

        assert approve(waiting, clerk).status == Status.APPROVED

    def test_refuses_who_it_is_about(self, maker: User, second: User) -> None:
        StaffProfile.objects.create(user=second, platform_user_id="writer-1")
        request = approvals.propose(
            action="payments.change_policy",
            target=Target("writer", "writer-1"),
            payload={"after": {"rate_bps": 9_000}},
            summary="More for writer-1",
            maker=f"staff:{maker.pk}",
            reason="x",
            effect=lambda _order: None,
            now=NOW,
        )
        assert request is not None

        with pytest.raises(approvals.SelfDealing):
            approve(request, second)

    def test_refuses_who_asked_for_it_as_a_reader(self, second: User) -> None:
        StaffProfile.objects.create(user=second, platform_user_id="reader-1")
        request = approvals.propose(
            action="payments.change_policy",
            target=Target("purchase", "p-1"),
            payload={"after": {}},
            summary="A favour",
            maker="user:reader-1",
            reason="x",
            effect=lambda _order: None,
            now=NOW,
        )
        assert request is not None

        with pytest.raises(approvals.SelfDealing):
            approve(request, second)

    def test_an_unknown_request_is_not_found(self, second: User) -> None:
        with pytest.raises(approvals.RequestUnknown):
            approvals.approve(request_id=UUID(int=7), approver=second, payload_hash="x", now=SOON)


class TestEnd:
    def test_one_rejection_ends_it(self, maker: User, second: User, third: User) -> None:
        need(2)
        request = propose(maker)
        approve(request, second)

        ended = reject(request, third)

        assert (ended.status, ended.closed_at) == (Status.REJECTED, SOON)
        with pytest.raises(approvals.AlreadyClosed):
            approve(request, second_person.person("fourth"))
        assert run(ended).status == Status.REJECTED
        assert in_force() == 10

    def test_a_rejection_says_why(self, waiting: ApprovalRequest, second: User) -> None:
        with pytest.raises(audit.ReasonMissing):
            reject(waiting, second, reason=" ")

        assert waiting.decisions.count() == 0

    def test_the_maker_withdraws(self, waiting: ApprovalRequest, maker: User, second: User) -> None:
        approvals.withdraw(request_id=waiting.pk, maker=f"staff:{maker.pk}", now=SOON)

        waiting.refresh_from_db()
        assert waiting.status == Status.WITHDRAWN
        with pytest.raises(approvals.AlreadyClosed):
            approve(waiting, second)

    def test_nobody_else_withdraws(self, waiting: ApprovalRequest, second: User) -> None:
        with pytest.raises(approvals.NotYours):
            approvals.withdraw(request_id=waiting.pk, maker=f"staff:{second.pk}", now=SOON)

    def test_nobody_withdraws_what_is_approved(
        self, waiting: ApprovalRequest, maker: User, second: User
    ) -> None:
        approve(waiting, second)

        with pytest.raises(approvals.AlreadyClosed):
            approvals.withdraw(request_id=waiting.pk, maker=f"staff:{maker.pk}", now=SOON)

    def test_it_is_refused_after_seven_days_before_any_sweep(
        self, waiting: ApprovalRequest, second: User
    ) -> None:
        with pytest.raises(approvals.AlreadyClosed):
            approve(waiting, second, now=NOW + approvals.LIFETIME)

    def test_it_expires_after_seven_days(self, waiting: ApprovalRequest) -> None:
        late = NOW + approvals.LIFETIME

        early = approvals.expire(now=late - timedelta(seconds=1))
        closed = approvals.expire(now=late)

        waiting.refresh_from_db()
        assert (early, closed) == (0, 1)
        assert waiting.status == Status.EXPIRED
        assert events()[-1] == ("expired", "system:expire-approvals")


class TestRun:
    def test_happens_once(self, waiting: ApprovalRequest, second: User) -> None:
        approve(waiting, second)

        run(waiting)
        run(waiting, now=SOON + timedelta(days=1))

        assert Policy.objects.filter(name=NAME).count() == 2

    def test_does_nothing_before_it_is_approved(self, waiting: ApprovalRequest) -> None:
        assert run(waiting).status == Status.PENDING
        assert in_force() == 10

    def test_a_refusal_leaves_it_failed_and_nothing_moved(
        self, waiting: ApprovalRequest, second: User
    ) -> None:
        approve(waiting, second)
        policies.change(name=NAME, value=15, valid_from=SOON, actor="staff:9", reason="x", now=SOON)

        failed = run(waiting)

        assert failed.status == Status.FAILED
        assert failed.error == proposals.BaseChanged.title
        assert failed.next_attempt_at is None
        assert in_force() == 15
        assert run(failed).status == Status.FAILED

    def test_a_package_that_changed_meanwhile_fails(self, second: User) -> None:
        package = factories.package("Starter Pack")
        request = proposals.change_package(
            package_id=package.pk,
            expected_version=1,
            terms=packages.Terms(120, 0, {"USD": 990_000}),
            actor="staff:7",
            now=NOW,
        )
        assert isinstance(request, ApprovalRequest)
        approve(request, second)
        packages.change(
            package_id=package.pk, expected_version=1, name="Small", actor="staff:1", now=SOON
        )

        second_person.run(request)

        assert (request.status, request.error) == (Status.FAILED, packages.VersionStale.title)
        assert package.versions.count() == 2

    def test_another_payload_than_the_approved_one_is_not_carried_out(
        self, waiting: ApprovalRequest, second: User
    ) -> None:
        approvals.withdraw(request_id=waiting.pk, maker=waiting.maker, now=NOW)
        forged = ApprovalRequest.objects.get(pk=waiting.pk)
        forged.pk, forged.status, forged.closed_at = uuid7(), Status.PENDING, None
        forged.payload["after"]["value"] = 1
        ApprovalRequest.objects.bulk_create([forged])
        approve(forged, second)

        failed = run(forged)

        assert failed.status == Status.FAILED
        assert failed.error == "The stored payload is not the one that was approved."
        assert in_force() == 10

    def test_half_done_is_undone(self, waiting: ApprovalRequest, second: User) -> None:
        approve(waiting, second)

        def half(order: Order) -> None:
            proposals.carry_out_policy(order)
            raise proposals.BaseChanged

        approvals.run(approval_id=waiting.pk, effect=half, now=SOON)

        assert in_force() == 10
        waiting.refresh_from_db()
        assert waiting.status == Status.FAILED

    def test_what_may_pass_later_is_tried_again(
        self, waiting: ApprovalRequest, second: User
    ) -> None:
        approve(waiting, second)

        def away(_order: Order) -> None:
            raise Unavailable

        approvals.run(approval_id=waiting.pk, effect=away, now=SOON)

        waiting.refresh_from_db()
        assert (waiting.status, waiting.attempts) == (Status.APPROVED, 1)
        assert waiting.next_attempt_at == SOON + timedelta(minutes=1)
        assert run(waiting, now=SOON + timedelta(minutes=1)).status == Status.EXECUTED

    def test_a_worker_that_died_leaves_it_to_another(
        self, waiting: ApprovalRequest, second: User
    ) -> None:
        approve(waiting, second)

        def bug(_order: Order) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            approvals.run(approval_id=waiting.pk, effect=bug, now=SOON)

        assert run(waiting).status == Status.APPROVED  # the lease is not over
        assert run(waiting, now=SOON + approvals.LEASE).status == Status.EXECUTED
        assert Policy.objects.filter(name=NAME).count() == 2

    def test_is_given_up_after_many_tries(self, waiting: ApprovalRequest, second: User) -> None:
        approve(waiting, second)
        ApprovalRequest.objects.update(attempts=approvals.MAX_ATTEMPTS)

        assert run(waiting).status == Status.FAILED
        assert in_force() == 10

    def test_a_lost_job_is_sent_again_by_the_sweep(
        self, waiting: ApprovalRequest, second: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Killed between the approval and its job: the row is due all the same."""
        sent: list[tuple[str, Any]] = []
        approve(waiting, second)
        monkeypatch.setattr(jobs, "enqueue", lambda job, **kwargs: sent.append((job, kwargs)))

        tasks.sweep()

        assert sent == [("payments.change_policy", {"approval_id": str(waiting.pk)})]
        assert second_person.run(waiting).status == Status.EXECUTED
        sent.clear()
        tasks.sweep()
        assert sent == []
        assert policy_queries.value(NAME, on=clock.now()) == 20

    def test_every_action_with_a_rule_is_a_job(self) -> None:
        current_app.loader.import_default_modules()
        actions = set(ApprovalRule.objects.values_list("action", flat=True))

        missing = actions - set(current_app.tasks) - {"payments.adjust_wallet"}

        assert not missing


class TestDatabase:
    """What holds even for somebody with an SQL prompt and the application's role."""

    def test_refuses_a_decision_of_the_maker(self, waiting: ApprovalRequest) -> None:
        with pytest.raises(IntegrityError, match="not_the_maker"), atomic():
            decide_by_sql(waiting, decided_by=waiting.maker)

    def test_refuses_a_decision_that_names_another_maker(self, waiting: ApprovalRequest) -> None:
        with pytest.raises(IntegrityError, match="another maker"), atomic():
            decide_by_sql(waiting, maker="staff:0", decided_by=waiting.maker)

    def test_refuses_a_decision_on_another_payload(self, waiting: ApprovalRequest) -> None:
        with pytest.raises(IntegrityError, match="payload"), atomic():
            decide_by_sql(waiting, payload_hash="0" * 64)

    def test_refuses_a_second_decision_of_a_person(self, maker: User, second: User) -> None:
        need(2)
        request = propose(maker)
        approve(request, second)

        with pytest.raises(IntegrityError, match="once"), atomic():
            decide_by_sql(request, decided_by=f"staff:{second.pk}")

    @pytest.mark.parametrize("status", ["APPROVED", "EXECUTED", "FAILED"])
    def test_refuses_a_status_without_decisions(
        self, waiting: ApprovalRequest, status: str
    ) -> None:
        with pytest.raises(IntegrityError, match="approvals:"), atomic():
            ApprovalRequest.objects.filter(pk=waiting.pk).update(status=status)

    def test_refuses_one_of_two(self, maker: User, second: User) -> None:
        need(2)
        request = propose(maker)
        approve(request, second)

        with pytest.raises(IntegrityError, match="1 of 2 agreed"), atomic():
            ApprovalRequest.objects.filter(pk=request.pk).update(status="APPROVED")

    @pytest.mark.parametrize(
        "change",
        [
            {"payload": {"after": {"value": 9}}},
            {"maker": "staff:0"},
            {"needed": 2},
            {"action": "payments.set_rate"},
            {"expires_at": NOW + timedelta(days=99)},
        ],
    )
    def test_refuses_to_rewrite_a_request(
        self, waiting: ApprovalRequest, change: dict[str, Any]
    ) -> None:
        with pytest.raises(IntegrityError, match="never rewritten"), atomic():
            ApprovalRequest.objects.filter(pk=waiting.pk).update(**change)

    def test_refuses_to_open_a_closed_one(self, waiting: ApprovalRequest, second: User) -> None:
        reject(waiting, second)

        with pytest.raises(IntegrityError, match="does not become"), atomic():
            ApprovalRequest.objects.filter(pk=waiting.pk).update(status="PENDING")

    def test_refuses_to_delete(self, waiting: ApprovalRequest, second: User) -> None:
        approve(waiting, second)

        for table in ("payments_approvaldecision", "payments_approvalrequest"):
            with pytest.raises(DatabaseError), atomic(), connection.cursor() as cursor:
                cursor.execute(f"DELETE FROM {table}")
