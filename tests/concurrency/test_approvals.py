"""Sixteen people and workers on one proposal: it is carried out once"""

from datetime import timedelta
from typing import Any

import pytest

from payments import approvals
from payments.models import ApprovalDecision, ApprovalRequest, ApprovalRule, AuditEntry, Policy
from payments.queries import policies
from payments.services import proposals
from tests import second_person
from tests.concurrency.threads import Crowd, no_deadlocks
from tests.factories import NOW

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

THREADS = 16
ROUNDS = 5
NAME = Policy.Name.TIP_MIN_COINS
SOON = NOW + timedelta(minutes=1)


def propose(value: int) -> ApprovalRequest:
    made = proposals.change_policy(
        name=NAME, value=value, valid_from=None, actor="staff:0", reason="x", now=NOW
    )
    assert isinstance(made, ApprovalRequest)
    return made


def run(request: ApprovalRequest) -> None:
    approvals.run(approval_id=request.pk, effect=proposals.carry_out_policy, now=SOON)


@pytest.mark.parametrize("needed", [1, 2])
def test_sixteen_who_approve_and_run_do_it_once(needed: int) -> None:
    ApprovalRule.objects.create(
        action=proposals.CHANGE_POLICY, needed=needed, valid_from=NOW, created_by="staff:1"
    )
    people = [second_person.person(f"person-{number}") for number in range(THREADS)]
    crowd = Crowd(THREADS)
    request = propose(20)

    def decide(number: int) -> bool:
        try:
            approvals.approve(
                request_id=request.pk,
                approver=people[number],
                payload_hash=request.payload_hash,
                now=SOON,
            )
        except approvals.AlreadyClosed:
            agreed = False
        else:
            agreed = True
        crowd.gather()
        run(request)
        return agreed

    with no_deadlocks():
        agreed = crowd.run(decide)

    request.refresh_from_db()
    assert sum(agreed) == needed == ApprovalDecision.objects.count()
    assert request.status == ApprovalRequest.Status.EXECUTED
    assert policies.value(NAME, on=SOON) == 20
    assert Policy.objects.filter(name=NAME).count() == 2
    assert AuditEntry.objects.filter(action="payments.policy.changed").count() == 1


def test_one_person_at_sixteen_windows_counts_once() -> None:
    ApprovalRule.objects.create(
        action=proposals.CHANGE_POLICY, needed=2, valid_from=NOW, created_by="staff:1"
    )
    person = second_person.person()
    request = propose(20)

    def decide(_number: int) -> bool:
        try:
            approvals.approve(
                request_id=request.pk,
                approver=person,
                payload_hash=request.payload_hash,
                now=SOON,
            )
        except approvals.AlreadyDecided:
            return False
        return True

    assert sum(Crowd(THREADS).run(decide)) == 1
    request.refresh_from_db()
    assert request.status == ApprovalRequest.Status.PENDING


def test_approval_rejection_and_withdrawal_have_one_winner() -> None:
    people = [second_person.person(f"person-{number}") for number in range(THREADS)]
    crowd = Crowd(THREADS)
    requests = [propose(100 + at) for at in range(ROUNDS)]

    def act(number: int) -> list[bool]:
        won = []
        for request in requests:
            crowd.gather()
            facts: dict[str, Any] = {"request_id": request.pk, "now": SOON}
            seen: dict[str, Any] = {
                "approver": people[number],
                "payload_hash": request.payload_hash,
            }
            try:
                if number % 3 == 0:
                    approvals.withdraw(maker=request.maker, **facts)
                elif number % 3 == 1:
                    approvals.reject(reason="no", **facts, **seen)
                else:
                    approvals.approve(**facts, **seen)
            except approvals.AlreadyClosed:
                won.append(False)
            else:
                won.append(True)
        return won

    for winners in zip(*crowd.run(act), strict=True):
        assert sum(winners) == 1


def test_sixteen_who_propose_the_same_make_one_request() -> None:
    made = Crowd(THREADS).run(lambda _number: propose(20).pk)

    assert len(set(made)) == 1
    assert ApprovalRequest.objects.count() == 1
